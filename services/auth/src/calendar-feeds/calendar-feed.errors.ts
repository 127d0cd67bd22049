import { refusal } from "@medvault/contracts";

/** 409: as many links to a calendar as one person may have. */
export class FeedLimitReached extends refusal(
  "feed_limit_reached",
  "You have five links to your calendar. Revoke one first: DELETE /v1/auth/calendar-feeds/{id}.",
) {}
