import { randomBytes, timingSafeEqual } from "node:crypto";
import { type Actor, DEVICE_HEADER } from "@medvault/contracts";
import { networkOf } from "@medvault/service-kit";
import type { AuthContext } from "../context.ts";
import { blindToken } from "../tokens/blind-token.ts";
import type { Limit, LockoutRules } from "./lockout.ts";

/** Where attempts are counted together, by its blind name. */
export interface Bucket {
  bucket: Buffer;
  /** Whose it is: an admin lifts all buckets of an account at once. */
  account: Buffer;
}

/**
 * Whose secret is guessed at: an account (`familiar`: with what was read of the place together with
 * it), or a name that nobody has.
 */
export type GuessedAt = { id: string; familiar?: Familiar } | { unknown: string };

/** Whether an account signed in before: from this device (not revoked), this address, at all. */
export interface Familiar {
  device: boolean;
  address: boolean;
  signedIn: boolean;
}

/** Where someone comes from, before it is known whose secret they guess at. */
export interface Whence {
  /** Of the device token that was shown, also one that was given to somebody else. */
  device: Buffer | null;
  /** The blind name of the address. */
  address: Buffer;
  /** What was last seen before is forgotten. */
  knownSince: Date;
}

/** From where an account is guessed at, and the buckets in which this could count. */
export interface Place extends Whence {
  by: LockoutRules["by"];
  /** The device whose token was shown, if it is one of this account's; null: none. */
  device: Buffer | null;
  buckets: { device: Buffer | null; address: Buffer; account: Buffer };
}

type Blinding = Pick<AuthContext, "blindKey">;

/** The blind name of an account (or of an unknown name) under which its buckets are found. */
export function accountToken(ctx: Blinding, guessedAt: GuessedAt): Buffer {
  return "id" in guessedAt
    ? blindToken(ctx.blindKey, "account", guessedAt.id)
    : blindToken(ctx.blindKey, "unknown", guessedAt.unknown.trim().toLowerCase());
}

/** Where this client comes from, whatever it guesses at. */
export function whenceOf(ctx: Blinding & Pick<AuthContext, "settings" | "now">, actor: Caller): Whence {
  return {
    device: shownDevice(actor)?.subarray(0, ID_BYTES) ?? null,
    address: blindToken(ctx.blindKey, "address", networkOf(actor.ip)),
    knownSince: new Date(ctx.now().getTime() - ctx.settings.lockout.knownMs),
  };
}

/** The place of this client before what it guesses at. */
export function placeOf(
  ctx: Blinding & Pick<AuthContext, "settings" | "now">,
  actor: Caller,
  guessedAt: GuessedAt,
): Place {
  const { by } = ctx.settings.lockout;
  const account = accountToken(ctx, guessedAt);
  const network = networkOf(actor.ip);
  // "lane" is what a bucket was called when its name was first derived: names in the table stay.
  const own = (kind: string, name: string) => blindToken(ctx.blindKey, kind, account.toString("hex"), name);
  const device = "id" in guessedAt ? deviceIdOf(ctx.blindKey, guessedAt.id, actor) : null;
  return {
    ...whenceOf(ctx, actor),
    by,
    device,
    buckets: {
      device: device && own("device lane", device.toString("hex")),
      address: own("lane", network),
      account,
    },
  };
}

/** The bucket in which a guess from this place counts. `findStanding` says the same in SQL. */
export function bucketAt(place: Place, familiar: { device: boolean; address: boolean }): Bucket {
  const { account, address, device } = place.buckets;
  if (familiar.device && device) return { account, bucket: device };
  const apart = place.by === "address" || (place.by === "both" && familiar.address);
  return { account, bucket: apart ? address : account };
}

/** What an address may get wrong, where there is no account whose secret is guessed at. */
export interface AddressBucket extends Bucket {
  limit: Limit;
}

/** Many share an address (a clinic), so it takes more names tried from it than tries of one. */
const NAMES_PER_ADDRESS = 4;

/** The buckets of a registration: of this name from this address, and of all names from it. */
export function registrationBuckets(
  ctx: Blinding & Pick<AuthContext, "settings">,
  actor: Actor,
  username: string,
): [name: AddressBucket, address: AddressBucket] {
  const limit = ctx.settings.lockout;
  const network = networkOf(actor.ip);
  return [
    addressBucket(blindToken(ctx.blindKey, "register", username.toLowerCase(), network), limit),
    addressBucket(blindToken(ctx.blindKey, "register", network), {
      ...limit,
      max: limit.max * NAMES_PER_ADDRESS,
    }),
  ];
}

/** The bucket of mailed tokens that were never given out. */
export function resetBucket(ctx: Blinding & Pick<AuthContext, "settings">, actor: Actor): AddressBucket {
  return addressBucket(blindToken(ctx.blindKey, "reset", networkOf(actor.ip)), ctx.settings.lockout);
}

function addressBucket(bucket: Buffer, limit: Limit): AddressBucket {
  return { bucket, account: bucket, limit };
}

/** Who asks, and the device token they showed: a known device guesses in a bucket of its own. */
export interface Caller extends Actor {
  readonly deviceToken?: string | null;
}

const DEVICE_TOKEN = /^[A-Za-z0-9_-]{43}$/;

/** The actor of a request with its device token; what is no token is none. */
export function callerOf(actor: Actor, req: { get(header: string): string | undefined }): Caller {
  const given = req.get(DEVICE_HEADER);
  return { ...actor, deviceToken: given !== undefined && DEVICE_TOKEN.test(given) ? given : null };
}

const ID_BYTES = 16;

/** A fresh device: 16 random bytes. */
export function newDeviceId(): Buffer {
  return randomBytes(ID_BYTES);
}

/**
 * The token of a device: its id and an HMAC (16 bytes) of account and id, 43 characters of
 * base64url. It opens nothing: it gives its account's owner a lockout bucket that strangers cannot
 * fill. Revoked by deleting its row.
 */
export function deviceTokenFor(key: Buffer, userId: string, deviceId: Buffer): string {
  return Buffer.concat([deviceId, signature(key, userId, deviceId)]).toString("base64url");
}

/** The caller's device, if its token was given out to this account; null for any other. */
export function deviceIdOf(key: Buffer, userId: string, caller: Caller): Buffer | null {
  const bytes = shownDevice(caller);
  if (!bytes) return null;
  const deviceId = bytes.subarray(0, ID_BYTES);
  return timingSafeEqual(bytes.subarray(ID_BYTES), signature(key, userId, deviceId)) ? deviceId : null;
}

/** The bytes of a device token that was shown: id and signature, not verified. */
function shownDevice({ deviceToken }: Caller): Buffer | null {
  const bytes = Buffer.from(deviceToken ?? "", "base64url");
  return bytes.length === 2 * ID_BYTES ? bytes : null;
}

function signature(key: Buffer, userId: string, deviceId: Buffer): Buffer {
  return blindToken(key, "device", userId, deviceId.toString("hex"));
}
