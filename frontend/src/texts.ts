/** The texts stand in the integration's translations, and are called by their keys there. */

import type { common } from "../../custom_components/spin/translations/en.json";

export type Text = keyof typeof common;
