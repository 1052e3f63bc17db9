/** For what Home Assistant has no text for: the integration is not there, or older than this module. */

export { common as ENGLISH } from "../../custom_components/spin/translations/en.json";
