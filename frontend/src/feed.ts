/** The subscription: opens, acknowledges what was drawn, opens anew after a fault, closes. */

import { Misfit, Picture } from "./model";
import type { Message, SubscribeRequest, Gateway } from "./contract";
import type { Connection } from "./hass";

const FIRST_RETRY = 2000;
const LAST_RETRY = 30000;

export interface Reader {
  /** A new picture, or a change in the one there is. */
  pictured(picture: Picture, fresh: boolean): void;
  gateways(gateways: Gateway[]): void;
  failed(error: unknown): void;
}

export class Feed {
  private request: SubscribeRequest | null = null;
  private connection: Connection | null = null;
  private close: (() => Promise<void> | void) | null = null;
  private picture: Picture | null = null;
  private subscription = 0;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private delay = FIRST_RETRY;
  /** Counts the subscriptions: what an earlier one still delivers is not for us. */
  private turn = 0;

  constructor(private readonly reader: Reader) {}

  open(connection: Connection, request: SubscribeRequest): void {
    this.stop();
    this.connection = connection;
    this.request = request;
    void this.subscribe();
  }

  stop(): void {
    this.turn++;
    clearTimeout(this.retry);
    const close = this.close;
    this.close = null;
    this.picture = null;
    // The connection may be gone, and the subscription with it.
    if (close) void Promise.resolve(close()).catch(() => undefined);
  }

  /** Tell the server that what it sent last has been drawn. */
  drawn(): void {
    const { connection, picture, subscription } = this;
    if (!connection || !picture) return;
    const turn = this.turn;
    connection
      .sendMessagePromise({ type: "spin/ack", subscription, seq: picture.seq })
      .catch((error: unknown) => {
        if (turn === this.turn && (error as { code?: unknown })?.code === "not_found") this.again();
      });
  }

  private async subscribe(): Promise<void> {
    const turn = ++this.turn;
    const { connection, request } = this;
    if (!connection || !request) return;
    try {
      const close = await connection.subscribeMessage<Message>(
        (message) => {
          if (turn === this.turn) this.take(message);
        },
        { type: "spin/subscribe", ...request },
      );
      if (turn === this.turn) this.close = close;
      else void Promise.resolve(close()).catch(() => undefined);
    } catch (error) {
      if (turn !== this.turn) return;
      this.reader.failed(error);
      this.later();
    }
  }

  private later(): void {
    this.retry = setTimeout(() => void this.subscribe(), this.delay);
    this.delay = Math.min(this.delay * 2, LAST_RETRY);
  }

  private take(message: Message): void {
    try {
      if (message.type === "snapshot") {
        this.delay = FIRST_RETRY;
        this.subscription = message.subscription;
        this.picture = new Picture(message);
        this.reader.pictured(this.picture, true);
      } else if (message.type === "delta" && this.picture) {
        this.picture.apply(message);
        this.reader.pictured(this.picture, false);
      } else if (message.type === "status") {
        if (this.picture) this.picture.gateways = message.gateways;
        this.reader.gateways(message.gateways);
      }
    } catch (error) {
      if (!(error instanceof Misfit)) throw error;
      this.again();
    }
  }

  private again(): void {
    this.stop();
    this.later();
  }
}
