import { CookieJar } from "./cookies.ts";

const isBrowser = "document" in globalThis || "WorkerGlobalScope" in globalThis;

/**
 * A session whose tokens are in cookies that no script reads. What is held here is its CSRF token,
 * which is the same for the session's whole life.
 */
export class CookieSession {
  /** A browser keeps cookies itself. */
  readonly #jar = isBrowser ? null : new CookieJar();
  #csrfToken: string | null;
  /** Counts refreshes: calls that began before one know by it that they may go again. */
  #generation = 0;

  constructor(csrfToken: string | null) {
    this.#csrfToken = csrfToken;
  }

  get csrfToken(): string | null {
    return this.#csrfToken;
  }

  /** Tells this pair of tokens from the next; undefined: nobody has signed in here. */
  get mark(): number | undefined {
    return this.#csrfToken === null ? undefined : this.#generation;
  }

  /** What a request needs besides what a browser adds. */
  headers(method: string): Record<string, string> {
    const cookie = this.#jar?.header();
    return {
      ...(method !== "GET" && {
        "x-session-transport": "cookie",
        ...(this.#csrfToken !== null && { "x-csrf-token": this.#csrfToken }),
      }),
      ...(cookie && { cookie }),
    };
  }

  /** Every answer's cookies, refusals' too. */
  takeCookies(headers: Headers): void {
    this.#jar?.take(headers);
  }

  /** Takes the CSRF token of an answer: a sign-in's, refresh's, step-up's, or the account's. */
  keep(answer: unknown): boolean {
    const token = (answer as { csrfToken?: unknown } | null | undefined)?.csrfToken;
    if (typeof token !== "string") return false;
    this.#csrfToken = token;
    return true;
  }

  /** New cookies have come, by this tab's refresh or by another's a moment ago. */
  renewed(): void {
    this.#generation += 1;
  }

  drop(): void {
    this.#csrfToken = null;
  }
}
