import { z } from "zod";
import { HASH_BYTES } from "./hash.ts";
import { type NoteKey, openNote } from "./note.ts";
import { TILE_WIDTH } from "./tile.ts";

const whole = z.int().nonnegative();
/** What arrived of one producer's epoch; `received` are ranges [from, to), lowest first. */
const Numbers = z.strictObject({
  producer: z.string(),
  epoch: whole,
  received: z.array(z.strictObject({ from: whole, to: whole })),
  duplicates: whole,
  lastEventAt: z.number(),
  heartbeatSeq: whole.nullable(),
  heartbeatAt: z.number().nullable(),
});
type RetiredNumbers = z.infer<typeof Numbers>;

/**
 * That the bodies of the first `size` entries of a log were dropped when their time was over: whole
 * tiles, whose root is `root`, and the numbers of producers that were in them.
 */
export interface Retirement {
  readonly origin: string;
  readonly size: number;
  readonly root: Buffer;
  readonly numbers: readonly RetiredNumbers[];
}

/**
 * The note text of a retirement, ending in a newline. It can be taken for no checkpoint: its first
 * line is another origin.
 */
export function retirementText({ origin, size, root, numbers }: Retirement): string {
  return `${origin}/retired\n${size}\n${root.toString("base64")}\n${JSON.stringify(numbers)}\n`;
}

/** The retirement of a note; null when it is malformed, or not signed by `key` for `origin`. */
export function openRetirement(note: string, key: NoteKey, origin: string): Retirement | null {
  const match = /^([^\n]+)\/retired\n([1-9]\d*)\n([A-Za-z0-9+/]{43}=)\n([^\n]+)\n$/.exec(
    openNote(note, key) ?? "",
  );
  const [, of, size = 0, root = "", json = ""] = match ?? [];
  const numbers = Numbers.array().safeParse(parsed(json));
  const found = { origin, size: Number(size), root: Buffer.from(root, "base64") };
  const isWhole = Number.isSafeInteger(found.size) && found.size % TILE_WIDTH === 0;
  if (of !== origin || !isWhole || found.root.length !== HASH_BYTES || !numbers.success) return null;
  return { ...found, numbers: numbers.data };
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return null;
  }
}
