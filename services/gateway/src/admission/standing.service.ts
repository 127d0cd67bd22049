import type { ResourceAction } from "@medvault/contracts";
import type { AuthClient } from "../identity/auth.client.ts";
import { resolveSession } from "../identity/session.service.ts";
import type { CachedSession, SessionUse, SignedIn } from "../identity/session.ts";
import type { AdmissionStore } from "./admission.store.ts";

/** An end, or a changed permission, has to take effect within a second; Redis may take 0.6 s. */
const LOOK_MS = 300;

/** Who was let in to an answer without an end, and how that is ended. */
export interface Standing {
  readonly signedIn: SignedIn;
  /** That its document asks for. */
  readonly permission: ResourceAction;
  readonly use: SessionUse;
  end(): void;
}

/**
 * Ends answers without an end once their reader would not be let in any more: the session or the
 * token has ended, the role's permission is another one, or nobody can say. To look is no use of
 * the session, which ends when it is idle, whatever it listens to.
 */
export class Standings {
  readonly #store: Pick<AdmissionStore, "look">;
  readonly #auth: AuthClient;
  readonly #watched = new Set<Standing>();
  #timer: NodeJS.Timeout | undefined;
  #isLooking = false;

  constructor(store: Pick<AdmissionStore, "look">, auth: AuthClient) {
    this.#store = store;
    this.#auth = auth;
  }

  /** Begins to watch; what it gives back stops that. */
  watch(standing: Standing): () => void {
    this.#watched.add(standing);
    this.#timer ??= setInterval(() => void this.#look(), LOOK_MS).unref();
    return () => {
      this.#watched.delete(standing);
      if (this.#watched.size > 0) return;
      clearInterval(this.#timer);
      this.#timer = undefined;
    };
  }

  /** Asks once for each token, however many answers it has. */
  async #look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    const byToken = Map.groupBy(this.#watched, ({ signedIn }) => signedIn.claims);
    const looks = [...byToken].map(async ([claims, standings]) => {
      const isOver = claims.exp * 1_000 <= Date.now();
      const session = isOver ? null : await this.#store.look(claims).catch(() => null);
      await Promise.all(
        standings.map(async (each) => {
          if (session === null || !(await this.#stands(each, session))) each.end();
        }),
      );
    });
    await Promise.all(looks);
    this.#isLooking = false;
  }

  async #stands({ signedIn, permission, use }: Standing, session: CachedSession): Promise<boolean> {
    try {
      const now = await resolveSession(this.#auth, signedIn.claims, session, use);
      return scopesOf(now.scope, permission) === scopesOf(signedIn.scope, permission);
    } catch {
      return false;
    }
  }
}

/** What a scope says of one permission. */
const scopesOf = (scope: string, permission: ResourceAction): string =>
  scope
    .split(" ")
    .filter((one) => one.startsWith(`${permission}:`))
    .sort()
    .join(" ");
