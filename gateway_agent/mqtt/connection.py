"""How the agent connects to a broker, and what to say when that fails."""

import asyncio
import socket
import ssl
from typing import Any, Final

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway_agent.config import Broker, Tls

PROTOCOLS: Final = (aiomqtt.ProtocolVersion.V5, aiomqtt.ProtocolVersion.V311)

_PATIENCE: Final = 10.0
_KEEPALIVE: Final = 30
_MAX_PACKET: Final = 512 * 1024

# Reason codes of MQTT 5, table 2-6.
_UNSUPPORTED_VERSION: Final = 0x84
_BAD_USER: Final = (0x86, 0x87)

_BAD_USER_TEXT: Final = "the broker refuses the user: check mqtt.username and mqtt.password"
_CAUSES: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (aiomqtt.MqttCodeError, "the connection was lost"),
    (
        ssl.SSLCertVerificationError,
        "its certificate is not trusted ({reason}): check mqtt.tls.ca and mqtt.host",
    ),
    (ssl.SSLError, "TLS failed ({reason}): check the files of mqtt.tls, and whether this port speaks TLS"),
    (socket.gaierror, "the name {host} is unknown: check mqtt.host"),
    (
        ConnectionResetError,
        "the broker hung up: check mqtt.port, and whether it expects TLS ([mqtt.tls]) or not",
    ),
    (ConnectionRefusedError, "nobody listens there: start the broker, or check mqtt.host and mqtt.port"),
    (
        TimeoutError,
        "no answer: check mqtt.host, mqtt.port, whether that port expects TLS, and firewalls between",
    ),
)


def new_client(  # noqa: PLR0913 (what sets our connections apart)
    broker: Broker,
    identifier: str,
    protocol: aiomqtt.ProtocolVersion,
    *,
    will: aiomqtt.Will | None = None,
    patience: float = _PATIENCE,
    queue_type: type[asyncio.Queue[aiomqtt.Message]] | None = None,
) -> aiomqtt.Client:
    """Return a client that is not connected yet; it waits `patience` seconds for each answer.

    Raises:
        OSError: a file of the TLS settings cannot be read, or is none (ssl.SSLError).
    """
    properties = None
    if protocol is aiomqtt.ProtocolVersion.V5:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.MaximumPacketSize = _MAX_PACKET
    return aiomqtt.Client(
        broker.host if broker.socket is None else str(broker.socket),
        broker.port,
        username=broker.username,
        password=broker.password,
        identifier=identifier,
        protocol=protocol,
        will=will,
        transport="tcp" if broker.socket is None else "unix",
        timeout=patience,
        keepalive=_KEEPALIVE,
        queue_type=queue_type,
        properties=properties,
        tls_context=_tls_context(broker.tls) if broker.tls is not None else None,
    )


def _tls_context(tls: Tls) -> ssl.SSLContext:
    for path in (tls.ca, tls.certificate, tls.key):
        if path is not None:
            path.open("rb").close()  # an error that names the file, unlike ssl's
    context = ssl.create_default_context(cafile=tls.ca)
    if tls.certificate is not None:
        context.load_cert_chain(tls.certificate, tls.key)
    return context


def reason_value(code: Any) -> int:  # noqa: ANN401 (int or ReasonCode, by the protocol's version)
    """Return a reason code as a number; 128 and higher are failures."""
    return int(getattr(code, "value", code))


def may_be_too_new(error: BaseException) -> bool:
    """Whether the broker may not know this version of the protocol: it says so, or says nothing."""
    if isinstance(error, aiomqtt.MqttCodeError):
        return error.rc is not None and reason_value(error.rc) == _UNSUPPORTED_VERSION
    return isinstance(error, aiomqtt.MqttError) and isinstance(error.__context__, TimeoutError)


def explain_loss(error: BaseException) -> str:
    """Return why a connection that had come about ended."""
    cause = error.__cause__ or error.__context__ or error
    if isinstance(cause, TimeoutError):
        return "the connection was lost: the broker no longer answers"
    return "the connection was lost"


def explain(error: BaseException, broker: Broker) -> str:
    """Return why no connection came about, with the remedy where there is one."""
    if isinstance(error, aiomqtt.exceptions.MqttConnectError):
        refused = error.rc is not None and reason_value(error.rc) in _BAD_USER
        return _BAD_USER_TEXT if refused else f"the broker refuses the connection: {error.rc}"
    cause = error.__cause__ or error.__context__ or error
    for kind, text in _CAUSES:
        if isinstance(cause, kind):
            reason = getattr(cause, "verify_message", None) or getattr(cause, "reason", None) or str(cause)
            return text.format(host=broker.host, reason=reason)
    if isinstance(cause, OSError) and cause.strerror:
        return f"{cause.filename}: {cause.strerror}" if cause.filename else cause.strerror
    return str(error)
