/** Loads the studies when somebody asks for them. */

import type { DeviceFocus } from "./contract";
import type { Stage } from "./stage";

export async function openStudies(stage: Stage, device: DeviceFocus): Promise<void> {
  try {
    const { StudiesDialog, studyStyle } = await import("./study");
    stage.open((end) => new StudiesDialog(stage, device, end), studyStyle);
  } catch (error) {
    stage.refused(error);
  }
}
