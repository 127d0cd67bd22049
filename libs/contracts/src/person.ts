import { z } from "zod";

/** Somebody whom an answer names beside their id; null: unknown, or auth could not be asked. */
export const PersonName = z.object({ id: z.string(), name: z.string().nullable() });
export type PersonName = z.infer<typeof PersonName>;

/**
 * Fields of answers that say how somebody is called: the field beside them that holds the id.
 * Nobody stores them: the guard of a route fills them in as an answer leaves.
 */
export const namedBy = z.registry<{ id: string; shows: "person" | "name" }>();

/** Who the sibling field `id` is, null where it is null. */
export const personOf = (id: string) =>
  PersonName.nullable().default(null).register(namedBy, { id, shows: "person" });

/** The name alone of who the sibling field `id` is. */
export const nameOf = (id: string) =>
  z.string().nullable().default(null).register(namedBy, { id, shows: "name" });

/** A view without what the guard fills in. */
export type WithoutPeople<View> = {
  [K in keyof View as [PersonName | null] extends [View[K]] ? never : K]: View[K];
};
