import type { Actor } from "@medvault/contracts";
import { networkOf } from "@medvault/service-kit";
import { type Caller, deviceTokenOf } from "../caller.ts";
import type { AuthContext } from "../context.ts";
import { blindToken } from "../tokens/blind-token.ts";
import { deviceIdIn } from "./known-device.ts";
import type { Lane } from "./lockout.store.ts";
import type { LockoutRules } from "./lockout.ts";

/** Whose secret is guessed at: an account, or a name that nobody has. */
export type GuessedAt = { id: string } | { unknown: string };

/** Where somebody guesses at an account from, and the lanes that this could be counted in. */
export interface Place {
  by: LockoutRules["by"];
  /** The device whose token was shown, if it is one of this account's; null: none. */
  device: Buffer | null;
  /** The blind name of the address. */
  address: Buffer;
  /** What was last seen before is forgotten. */
  knownSince: Date;
  lanes: { device: Buffer | null; address: Buffer; account: Buffer };
}

type Blinding = Pick<AuthContext, "blindKey">;

/** The blind name of an account (or of an unknown name) under which its lockout lanes are found. */
export function accountToken(ctx: Blinding, guessedAt: GuessedAt): Buffer {
  return "id" in guessedAt
    ? blindToken(ctx.blindKey, "account", guessedAt.id)
    : blindToken(ctx.blindKey, "unknown", guessedAt.unknown.trim().toLowerCase());
}

/** The place of this client before what it guesses at. */
export function placeOf(
  ctx: Pick<AuthContext, "blindKey" | "settings" | "now">,
  actor: Actor | Caller,
  guessedAt: GuessedAt,
): Place {
  const { by, knownMs } = ctx.settings.lockout;
  const account = accountToken(ctx, guessedAt);
  const network = networkOf(actor.ip);
  const own = (kind: string, name: string) => blindToken(ctx.blindKey, kind, account.toString("hex"), name);
  const device = "id" in guessedAt ? deviceIdIn(ctx.blindKey, guessedAt.id, deviceTokenOf(actor)) : null;
  return {
    by,
    device,
    address: blindToken(ctx.blindKey, "address", network),
    knownSince: new Date(ctx.now().getTime() - knownMs),
    lanes: {
      device: device && own("device lane", device.toString("hex")),
      address: own("lane", network),
      account,
    },
  };
}

/** The lane in which a guess from this place counts. `findStanding` says the same in SQL. */
export function laneIn({ by, lanes }: Place, familiar: { device: boolean; address: boolean }): Lane {
  const { account } = lanes;
  if (familiar.device && lanes.device) return { account, lane: lanes.device };
  const apart = by === "address" || (by === "both" && familiar.address);
  return { account, lane: apart ? lanes.address : account };
}
