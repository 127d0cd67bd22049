import { calendarFeedApi } from "@medvault/contracts";
import { type Route, route } from "@medvault/service-kit";
import type { AuthContext } from "../context.ts";
import { createFeed, ownerOf, revokeFeed, viewFeeds } from "./calendar-feed.service.ts";
import type { CalendarFeed } from "./calendar-feed.store.ts";

export const calendarFeedRoutes = (ctx: AuthContext): Route[] => [
  route(calendarFeedApi.create, async ({ actor }) => {
    const { feed, token } = await createFeed(ctx, actor);
    return { body: { ...present(feed), path: `/v1/calendar/${token}.ics` } };
  }),
  route(calendarFeedApi.list, async ({ actor }) => ({
    body: { items: (await viewFeeds(ctx, actor)).map(present) },
  })),
  route(calendarFeedApi.remove, async ({ actor, params }) => {
    await revokeFeed(ctx, actor, params.id);
    return {};
  }),
  route(calendarFeedApi.resolve, async ({ body }) => ({ body: await ownerOf(ctx, body.token) })),
];

const present = ({ id, createdAt, lastUsedAt }: CalendarFeed) => ({
  id,
  createdAt: createdAt.toISOString(),
  lastUsedAt: lastUsedAt?.toISOString() ?? null,
});
