import { v7 } from "uuid";
import { z } from "zod";

/** A new id: UUIDv7 (RFC 9562), so that ids sort by the time they were made. */
export function newId(): string {
  return v7();
}

/** Parses any RFC 9562 UUID and answers it in lower case, so that one id has one spelling. */
export const Id: z.ZodType<string, string> = z.uuid().toLowerCase();
