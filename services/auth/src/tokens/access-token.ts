import { newId } from "@medvault/contracts";
import { type Keyring, type SigningKey, signingKey, signingKeys } from "@medvault/keys";
import type { Db } from "@medvault/postgres";

const ACCESS_TOKEN_KEY = "access-tokens";
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
  kid: string;
  /** A signed JWT (RFC 9068: `typ` at+jwt), good for `lifetimeS` seconds. */
  sign(claims: AccessClaims, lifetimeS: number, now: Date): string;
}

/** Signs with the active key of the service, made at first use. */
export async function createAccessTokenSigner(
  db: Db,
  keyring: Keyring,
  issuer: string,
): Promise<AccessTokenSigner> {
  const key: SigningKey = await signingKey(db, keyring, ACCESS_TOKEN_KEY);
  const header = encode({ alg: "EdDSA", typ: "at+jwt", kid: key.kid });
  return {
    kid: key.kid,
    sign(claims, lifetimeS, now) {
      const iat = Math.floor(now.getTime() / 1000);
      const payload = {
        iss: issuer,
        aud: ACCESS_TOKEN_AUDIENCE,
        ...claims,
        iat,
        exp: iat + lifetimeS,
        jti: newId(),
      };
      const signed = `${header}.${encode(payload)}`;
      return `${signed}.${key.sign(Buffer.from(signed, "ascii")).toString("base64url")}`;
    },
  };
}

/** The public keys under which a token may still be good (RFC 7517). */
export async function publicJwks(db: Db): Promise<{ keys: object[] }> {
  const keys = await signingKeys(db, ACCESS_TOKEN_KEY);
  return {
    keys: keys
      .filter((key) => key.state !== "destroyed")
      .map((key) => ({ ...key.publicJwk, kid: key.kid, alg: "EdDSA", use: "sig" })),
  };
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value), "utf8").toString("base64url");
}
