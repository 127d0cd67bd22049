import type { LogContext } from "../context.ts";
import { OutsideDamaged } from "../outside/outside.errors.ts";
import { EMPTY_ROOT } from "../tree/hash.ts";
import { openRetirement, type Retirement } from "../tree/retirement.ts";

/**
 * How much of the log was retired, as the signed note outside Postgres says it: bodies of the first
 * `size` entries may be gone, and of no other. 0 where nothing was. @throws OutsideDamaged
 */
export async function readRetirement({
  outside,
  signer,
}: Pick<LogContext, "outside" | "signer">): Promise<Retirement> {
  const note = await outside.readRetirement();
  if (note === null) return { origin: signer.origin, size: 0, root: EMPTY_ROOT, numbers: [] };
  const retirement = openRetirement(note, signer.key, signer.origin);
  if (retirement === null) throw new OutsideDamaged("the note of what was retired is not signed by this log");
  return retirement;
}
