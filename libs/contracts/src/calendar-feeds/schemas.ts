import { z } from "zod";
import { AccountRole } from "../accounts/schemas.ts";
import { instant } from "../fields.ts";
import { Id } from "../ids.ts";
import { SCOPES } from "../permissions.ts";

export const CalendarFeedView = z.object({
  id: Id,
  createdAt: instant,
  lastUsedAt: instant.nullable(),
});
export type CalendarFeedView = z.infer<typeof CalendarFeedView>;
export const CalendarFeedList = z.object({ items: z.array(CalendarFeedView) });

/** `path` holds the token, which is shown this once. */
export const NewCalendarFeed = CalendarFeedView.extend({ path: z.string() });
export type NewCalendarFeed = z.infer<typeof NewCalendarFeed>;

/** 256 random bits in hexadecimal digits. */
export const FeedToken = z.string().regex(/^[0-9a-f]{64}$/);
export const FeedQuestion = z.strictObject({ token: FeedToken });
/** Whose feed it is, and how far they may read appointments now. */
export const FeedOwner = z.object({
  feedId: Id,
  userId: Id,
  role: AccountRole,
  scope: z.enum(SCOPES),
});
export type FeedOwner = z.infer<typeof FeedOwner>;
