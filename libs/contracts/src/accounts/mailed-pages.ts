/**
 * The pages of the gateway that mails lead to, by their path. What a mail brings stands in the
 * fragment (`/reset-password#token=…`), which browsers send to nobody.
 */
export const MAILED_PAGES = [
  "invitation",
  "reset-password",
  "confirm-address",
  "keep-address",
  "forgot-password",
  "stop-reminders",
] as const;
export type MailedPage = (typeof MAILED_PAGES)[number];
