import { z } from "zod";
import { InvalidInput } from "./errors.ts";

/** RFC 9457 problem details, with our `code`, `requestId` and `errors`. */
export const Problem = z.strictObject({
  type: z.string(),
  title: z.string(),
  status: z.number().int().min(400).max(599),
  detail: z.string(),
  instance: z.string(),
  code: z.string(),
  requestId: z.string(),
  errors: z
    .array(
      z.strictObject({
        path: z.string(),
        code: z.string(),
        message: z.string(),
        params: z.record(z.string(), z.union([z.string(), z.number()])).optional(),
      }),
    )
    .optional(),
});
export type Problem = z.infer<typeof Problem>;

/** Headers that run between the gateway and the services. */
export const ASSERTION_HEADER = "x-medvault-assertion";
export const REQUEST_ID_HEADER = "x-request-id";
export const PURPOSE_HEADER = "x-purpose";
/** The code of a 503 that a service gives on purpose, to this call alone; not for clients. */
export const REFUSAL_HEADER = "x-medvault-refusal";
/**
 * On a service's refusals and failures: `recorded` where its own event is written, else the code,
 * so that the gateway writes one; not for clients.
 */
export const RECORD_HEADER = "x-medvault-record";
export const RECORDED = "recorded";

/** Scheme and host by which the client reached the gateway, for links in answers. */
export const BASE_HEADER = "x-medvault-base";

/**
 * A whole number in a query: decimal digits and nothing else, so that `1e2`, `0x10` or `+1` are
 * faults, not other numbers. `schema` bounds it.
 */
export const queryNumber = <T extends z.ZodType>(schema: T) =>
  z.preprocess((value) => (typeof value === "string" && DIGITS.test(value) ? Number(value) : value), schema);
const DIGITS = /^\d{1,16}$/;
/** For `queryNumber`, to be bounded further. */
export const wholeNumber = () => z.int({ error: "must be a whole number in decimal digits" });

/** Of a list that comes whole: at most so many of it, from its beginning. */
export const LimitQuery = z.strictObject({
  limit: queryNumber(wholeNumber().min(1).max(100).optional()),
});

/** The fields that every list takes. Extend it: `PageQuery.extend({ status: … })`. */
export const PageQuery = z.strictObject({
  limit: queryNumber(wholeNumber().min(1).max(100).default(20)),
  cursor: z.string().max(1024).optional(),
});
export type PageQuery = z.infer<typeof PageQuery>;

/** A page of `item`. A page may be short; `nextCursor` null marks the last. */
export function page<T extends z.ZodType>(item: T) {
  return z.strictObject({ items: z.array(item), nextCursor: z.string().nullable() });
}

/**
 * What a list shows in the place of a row that does not open any more: damaged outside of MedVault.
 * `version` where the list is of versions.
 */
export const DamagedRow = z.strictObject({
  id: z.uuid(),
  patientId: z.uuid(),
  version: z.int().optional(),
  damaged: z.literal(true),
});
export type DamagedRow = z.infer<typeof DamagedRow>;

/** A page of sealed rows: one that is damaged does not hide the others. */
export const sealedPage = <T extends z.ZodType>(item: T) => page(z.union([item, DamagedRow]));

/** An opaque cursor: base64url of JSON. Neither secret nor signed, so its reader checks it. */
export function encodeCursor(position: unknown): string {
  return Buffer.from(JSON.stringify(position), "utf8").toString("base64url");
}

/** The position in a cursor, checked by `schema`; undefined for none. Throws InvalidInput. */
export function decodeCursor<T>(schema: z.ZodType<T>, cursor: string | undefined): T | undefined {
  if (cursor === undefined) return undefined;
  let position: unknown;
  try {
    position = JSON.parse(Buffer.from(cursor, "base64url").toString("utf8"));
  } catch {
    throw badCursor();
  }
  const parsed = schema.safeParse(position);
  if (!parsed.success) throw badCursor();
  return parsed.data;
}

function badCursor(): InvalidInput {
  return new InvalidInput("The cursor is not valid. Start again without one.", [
    { path: "cursor", message: "is not a cursor" },
  ]);
}

/** ISO 8601 has a year 0000; PostgreSQL has not. */
const NOT_BEFORE = "must be in year 0001 or later";
function isInOurEra(text: string): boolean {
  return text >= "0001";
}

/** A calendar date, `YYYY-MM-DD`. */
export const PlainDate = z.iso.date().refine(isInOurEra, NOT_BEFORE);
/** An instant, RFC 3339 in UTC. */
export const Instant = z.iso.datetime().refine(isInOurEra, NOT_BEFORE);

/**
 * What a resource was, newest first: at most 1,000 versions. `version` is the revision in its ETag,
 * `updatedBy` and `updatedAt` say who wrote it and when.
 */
export const versions = <Shape extends z.ZodRawShape>(view: z.ZodObject<Shape>) =>
  z.object({ items: z.array(z.union([view.extend({ version: z.int() }), DamagedRow])) });
