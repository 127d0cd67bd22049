import { z } from "zod";
import { defineRoutes } from "../route.ts";
import * as f from "./schemas.ts";

/** Of auth: who may read a calendar without signing in, by a token of their own. */
export const calendarFeedApi = defineRoutes({
  create: {
    method: "POST",
    path: "/v1/auth/calendar-feeds",
    permission: "appointment:read",
    resource: "calendar-feed",
    summary: "A link to one's own calendar, shown this once; five at most",
    status: 201,
    response: f.NewCalendarFeed,
    errors: ["feed_limit_reached"],
  },
  list: {
    method: "GET",
    path: "/v1/auth/calendar-feeds",
    permission: "appointment:read",
    resource: "calendar-feed",
    summary: "One's own links to the calendar, without their tokens",
    response: f.CalendarFeedList,
  },
  remove: {
    method: "DELETE",
    path: "/v1/auth/calendar-feeds/{id}",
    permission: "appointment:read",
    resource: "calendar-feed",
    summary: "Revoke a link",
  },
  resolve: {
    method: "POST",
    path: "/internal/calendar-feeds",
    internal: true,
    resource: "calendar-feed",
    summary: "Whose token it is, for records; the token alone opens it",
    request: f.FeedQuestion,
    response: f.FeedOwner,
  },
});

/** Of records: what such a token opens. */
export const calendarApi = defineRoutes({
  read: {
    method: "GET",
    path: "/v1/calendar/{file}",
    resource: "calendar-feed",
    summary: "`<token>.ics`: when its owner has appointments, and nothing of whom or why",
    response: z.string(),
    responseType: "text/calendar; charset=utf-8",
  },
});
