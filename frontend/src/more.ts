/** What is needed only when something is opened; loaded when the page has time for it. */

import { dialogStyle } from "./dialog-style";
import { tableStyle } from "./table-style";

export { Confirm } from "./confirm";
export { destinationHead } from "./destination";
export { DetailsDialog } from "./details";
export { deviceHead } from "./device";
export { form } from "./form";
export { dashboard } from "./strategy";
export { TableList } from "./table";
export { TimelineList } from "./timeline";

export const styles = [tableStyle, dialogStyle];
