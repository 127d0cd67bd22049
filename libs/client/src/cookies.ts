const MAX_COOKIES = 20;

/** The cookies of one gateway, where no browser keeps them: only what is bound to its host. */
export class CookieJar {
  readonly #cookies = new Map<string, { value: string; endsAt: number }>();

  /** As a request to that gateway carries them; null for none. */
  header(): string | null {
    for (const [name, { endsAt }] of this.#cookies) if (endsAt <= Date.now()) this.#cookies.delete(name);
    return [...this.#cookies].map(([name, { value }]) => `${name}=${value}`).join("; ") || null;
  }

  /** Takes what an answer of that gateway sets (RFC 6265bis, 4.1.3.2: `__Host-`). */
  take(headers: Headers): void {
    for (const line of headers.getSetCookie()) {
      const [pair = "", ...rest] = line.split(";");
      const name = pair.slice(0, pair.indexOf("=")).trim();
      const attributes = new Map(
        rest.map((part) => {
          const [attribute = "", ...value] = part.trim().split("=");
          return [attribute.toLowerCase(), value.join("=")] as const;
        }),
      );
      const isBound = attributes.has("secure") && attributes.get("path") === "/" && !attributes.has("domain");
      if (!name.startsWith("__Host-") || !isBound) continue;
      const value = pair.slice(pair.indexOf("=") + 1).trim();
      const endsAt = endOf(attributes);
      if (value === "" || endsAt <= Date.now()) this.#cookies.delete(name);
      else if (this.#cookies.size < MAX_COOKIES) this.#cookies.set(name, { value, endsAt });
    }
  }
}

function endOf(attributes: ReadonlyMap<string, string>): number {
  const maxAge = attributes.get("max-age");
  if (maxAge !== undefined) return Date.now() + Number(maxAge) * 1000;
  const expires = attributes.get("expires");
  return expires === undefined ? Number.POSITIVE_INFINITY : Date.parse(expires);
}
