import { newId } from "@medvault/contracts";
import { type Keyring, type SigningKey, signingKey } from "@medvault/keys";
import type { Db } from "@medvault/postgres";
import { listScheduledKeys } from "./signing-key.store.ts";
import { keyInUse, keyName, type ScheduledKey } from "./signing-key.ts";

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
  /** A signed JWT (RFC 9068), good for `lifetimeS` seconds, by the key in use at `now`. */
  sign(claims: AccessClaims, lifetimeS: number, now: Date): string;
  /** Learns of keys scheduled or removed since; keys are published an hour before they sign. */
  reload(): Promise<void>;
}

interface LoadedKey {
  generation: number;
  useFrom: Date;
  /** The JWT header, encoded. */
  header: string;
  sign: SigningKey["sign"];
}

/** Signs with the keys on the schedule (`rotateSigningKeys`), which must hold one. */
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

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value), "utf8").toString("base64url");
}
