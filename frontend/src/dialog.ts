/** Dialogs are closed, not just taken away: then the keyboard's focus goes back to where it was. */

export const closeDialog = (event: Event): void => (event.target as Element).closest("dialog")!.close();

export function closeOutside(event: MouseEvent): void {
  const dialog = event.currentTarget as HTMLDialogElement;
  if (event.target !== dialog) return;
  const { left, right, top, bottom } = dialog.getBoundingClientRect();
  const isInside =
    event.clientX >= left && event.clientX <= right && event.clientY >= top && event.clientY <= bottom;
  if (!isInside) dialog.close();
}
