import type { CookieSession } from "./cookie-session.ts";
import type { AnyStepUpView, LoginView, MfaVerifyView } from "./schema.ts";

/** `refresh` null: only this access token is there, and when it runs out that was it. */
export interface Tokens {
  access: string;
  refresh: string | null;
}

export interface SessionStore {
  /** Gets each new pair before it is used: keep it where the next start finds it. */
  save?: (tokens: Tokens | null) => void | Promise<void>;
  /** The pair that another tab or process with the same session may have saved meanwhile. */
  load?: () => Tokens | null | Promise<Tokens | null>;
}

/** What a refresh came to; `cookies`: the new pair is in them. */
export type Refreshed = { tokens: Tokens } | "cookies" | "superseded" | "refused";

/**
 * A signed-in user. Calls that meet an expired access token share one refresh: a refresh token
 * works once, and its second use ends the session.
 */
export class Session {
  readonly #store: SessionStore;
  readonly #refresh: (refreshToken: string | null) => Promise<Refreshed>;
  readonly #cookies: CookieSession | null;
  #tokens: Tokens | null = null;
  #refreshing: Promise<boolean> | null = null;

  constructor(
    store: SessionStore,
    refresh: (refreshToken: string | null) => Promise<Refreshed>,
    tokens: Tokens | null = null,
    cookies: CookieSession | null = null,
  ) {
    this.#cookies = cookies;
    this.#store = store;
    this.#refresh = refresh;
    this.#tokens = tokens;
  }

  get tokens(): Tokens | null {
    return this.#tokens;
  }

  /** Of a session in cookies: what a page keeps over a reload. Null: nobody is signed in here. */
  get csrfToken(): string | null {
    return this.#cookies?.csrfToken ?? null;
  }

  /** Tells one pair of tokens from the next; undefined: there is none. */
  get mark(): string | number | undefined {
    return this.#cookies ? this.#cookies.mark : this.#tokens?.access;
  }

  /** Takes the tokens of an answer. A step-up's has no refresh token: the one at hand stays. */
  async keep(answer: LoginView | AnyStepUpView | MfaVerifyView): Promise<void> {
    if (this.#cookies?.keep(answer)) return;
    if (!("accessToken" in answer) || answer.accessToken === undefined) {
      throw new TypeError("there is no access token in this answer");
    }
    const traded = "refreshToken" in answer ? answer.refreshToken : undefined;
    await this.#take({ access: answer.accessToken, refresh: traded ?? this.#tokens?.refresh ?? null });
  }

  async drop(): Promise<void> {
    this.#cookies?.drop();
    await this.#take(null);
  }

  /** Whether there is now another access token than the refused one. Throws as the refresh does. */
  async renew(used: string | number): Promise<boolean> {
    if (this.mark !== undefined && this.mark !== used) return true;
    this.#refreshing ??= this.#renew().finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  async #renew(): Promise<boolean> {
    if (this.#cookies) return this.#renewCookies(this.#cookies);
    const before = this.#tokens;
    if (!before?.refresh) return false;
    const refreshed = await this.#refresh(before.refresh);
    if (typeof refreshed === "object") {
      await this.#take(refreshed.tokens);
      return true;
    }
    // Another tab or process traded it first, and has the new pair: it is used if it was shared.
    const shared = (await this.#store.load?.()) ?? null;
    if (shared && shared.access !== before.access) {
      this.#tokens = shared;
      return true;
    }
    if (refreshed === "refused") await this.#take(null);
    return false;
  }

  async #renewCookies(cookies: CookieSession): Promise<boolean> {
    const refreshed = await this.#refresh(null);
    // Superseded: another tab's refresh has just set the cookies that both share.
    if (refreshed === "refused") cookies.drop();
    else cookies.renewed();
    return refreshed !== "refused";
  }

  async #take(tokens: Tokens | null): Promise<void> {
    await this.#store.save?.(tokens);
    this.#tokens = tokens;
  }
}
