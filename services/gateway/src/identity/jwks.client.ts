import { Unavailable } from "@medvault/contracts";
import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyGetKey } from "jose";
import { z } from "zod";

const REFRESH_UNKNOWN_MS = 30_000;
const REFRESH_FAILED_MS = 1_000;
/** Auth publishes a key an hour before its first use, and removes it after its last token. */
const MAX_AGE_MS = 600_000;

const Jwks = z.object({
  keys: z.array(z.looseObject({ kty: z.literal("OKP"), crv: z.literal("Ed25519"), kid: z.string() })).max(50),
});

/**
 * The keys of auth, fetched on first use, kept for ten minutes, and fetched again for an unknown
 * kid at most every 30 s, so that forged kids cost auth nothing. Throws Unavailable while there are
 * none and auth does not answer.
 */
export function createKeySet(
  fetchJwks: () => Promise<unknown>,
  now: () => number = Date.now,
): JWTVerifyGetKey {
  let resolve: JWTVerifyGetKey | null = null;
  let kids: ReadonlySet<string> = new Set();
  let fetchedAt = Number.NEGATIVE_INFINITY;
  let failedAt = Number.NEGATIVE_INFINITY;
  let running: Promise<void> | null = null;

  const refresh = (): Promise<void> => {
    running ??= (async () => {
      try {
        const jwks = Jwks.parse(await fetchJwks());
        resolve = createLocalJWKSet(jwks as unknown as JSONWebKeySet);
        kids = new Set(jwks.keys.map((key) => key.kid));
        fetchedAt = now();
      } catch (cause) {
        failedAt = now();
        if (!resolve) throw new Unavailable(undefined, 2, { cause });
      } finally {
        running = null;
      }
    })();
    return running;
  };

  const keyOf: JWTVerifyGetKey = async (header, token) => {
    const age = now() - fetchedAt;
    const wanted = !resolve || age > MAX_AGE_MS || (!kids.has(header.kid ?? "") && age > REFRESH_UNKNOWN_MS);
    if (wanted) {
      if (now() - failedAt > REFRESH_FAILED_MS) await refresh();
      else if (!resolve) throw new Unavailable();
    }
    return (resolve as JWTVerifyGetKey)(header, token);
  };
  return keyOf;
}
