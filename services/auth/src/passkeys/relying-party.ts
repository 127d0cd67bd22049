/** Who passkeys are made for (WebAuthn's relying party), and which pages may ask for them. */
export interface RelyingParty {
  /** A domain; it can never change without every passkey being lost. */
  id: string;
  origins: readonly string[];
}

const LOOPBACK = /^(127\.\d+\.\d+\.\d+|\[::1\])$/;

/**
 * The relying party of a deployment: from its public URL, or as set; never from a request's Host.
 * Passkeys need a domain, so a loopback address becomes `localhost`. Throws RangeError where an
 * origin is none of the id's, or is not secure: no browser would take it.
 */
export function relyingPartyOf(
  publicUrl: string,
  set: { id?: string | undefined; origins?: readonly string[] | undefined } = {},
): RelyingParty {
  const origins = (set.origins ?? [publicUrl]).map(originOf);
  const id = set.id ?? new URL(origins[0] ?? publicUrl).hostname;
  if (set.id === undefined && set.origins === undefined) return { id, origins };
  for (const origin of origins) {
    const { hostname, protocol } = new URL(origin);
    if (hostname !== id && !hostname.endsWith(`.${id}`))
      throw new RangeError(`${origin} does not belong to ${id}`);
    if (protocol !== "https:" && hostname !== "localhost") throw new RangeError(`${origin} is not https`);
  }
  return { id, origins };
}

function originOf(text: string): string {
  const url = new URL(text);
  if (LOOPBACK.test(url.hostname)) url.hostname = "localhost";
  return url.origin;
}
