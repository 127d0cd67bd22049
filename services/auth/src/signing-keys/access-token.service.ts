import { newId } from "@medvault/contracts";
import { type Keyring, type SigningKey, signingKey, signingKeys } from "@medvault/keys";
import type { Db } from "@medvault/postgres";
import { listScheduledKeys } from "./key-schedule.store.ts";
import { deadKeys, keyInUse, type ScheduledKey } from "./key-schedule.ts";

export const ACCESS_TOKEN_AUDIENCE = "medvault-gateway";

interface AccessClaims {
  sub: string;
  sid: string;
  role: string;
  /** Permissions, separated by spaces (RFC 8693). */
  scope: string;
  amr: string[];
  /** `aal1` or `aal2`, after NIST SP 800-63. */
  acr: string;
  /** Seconds. */
  auth_time: number;
  /** Permission version of the role. */
  pv: number;
}

export interface AccessTokenSigner {
  /** A signed JWT (RFC 9068: `typ` at+jwt), good for `lifetimeS` seconds, under the key whose turn it is at `now`. */
  sign(claims: AccessClaims, lifetimeS: number, now: Date): string;
  /** Learns of keys that were scheduled or removed since; keys are published an hour before their turn. */
  reload(): Promise<void>;
}

interface LoadedKey {
  generation: number;
  useFrom: Date;
  /** The JWT header, encoded. */
  header: string;
  sign: SigningKey["sign"];
}

/** The name of a generation's key in the key table; the first one's is from before there were several. */
export function keyName(generation: number): string {
  return generation === 0 ? "access-tokens" : `access-tokens/${generation}`;
}

/** Signs with the keys on the schedule (`turnKeys`), which must hold one. */
export async function createAccessTokenSigner(
  db: Db,
  keyring: Keyring,
  issuer: string,
): Promise<AccessTokenSigner> {
  let loaded: LoadedKey[] = [];
  const load = async (key: ScheduledKey): Promise<LoadedKey> => {
    const { kid, sign } = await signingKey(db, keyring, keyName(key.generation));
    const header = encode({ alg: "EdDSA", typ: "at+jwt", kid });
    return { generation: key.generation, useFrom: key.useFrom, header, sign };
  };
  const reload = async (): Promise<void> => {
    const scheduled = await listScheduledKeys(db);
    const known = new Map(loaded.map((key) => [key.generation, key]));
    loaded = await Promise.all(scheduled.map((key) => known.get(key.generation) ?? load(key)));
  };
  await reload();
  return {
    reload,
    sign(claims, lifetimeS, now) {
      const key = keyInUse(loaded, now);
      if (!key) throw new Error("no signing key is scheduled");
      const iat = Math.floor(now.getTime() / 1000);
      const payload = {
        iss: issuer,
        aud: ACCESS_TOKEN_AUDIENCE,
        ...claims,
        iat,
        exp: iat + lifetimeS,
        jti: newId(),
      };
      const signed = `${key.header}.${encode(payload)}`;
      return `${signed}.${key.sign(Buffer.from(signed, "ascii")).toString("base64url")}`;
    },
  };
}

/** The public keys under which a token is or will be good (RFC 7517): ahead of their turn, until their last token is dead. */
export async function publicJwks(db: Db, now: Date): Promise<{ keys: object[] }> {
  const scheduled = await listScheduledKeys(db);
  const dead = new Set(deadKeys(scheduled, now).map((key) => key.generation));
  const names = scheduled.filter((key) => !dead.has(key.generation)).map((key) => keyName(key.generation));
  const keys = await Promise.all(names.map((name) => signingKeys(db, name)));
  return {
    keys: keys
      .flat()
      .filter((key) => key.state === "active")
      .map((key) => ({ ...key.publicJwk, kid: key.kid, alg: "EdDSA", use: "sig" })),
  };
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value), "utf8").toString("base64url");
}
