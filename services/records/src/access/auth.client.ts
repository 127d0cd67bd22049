import {
  type AccountRole,
  type Role,
  RoleHolders,
  refusalOfService,
  Unavailable,
  UserStanding,
} from "@medvault/contracts";
import { type Caller, internalClient, type Tls } from "@medvault/service-kit";

export { type Caller, callerOf } from "@medvault/service-kit";

/** Well within the 3 s in which a person is answered. */
const WAIT_MS = 1_500;
const CONNECTIONS = 4;

/** Who has an account? Auth alone knows. */
export interface AuthClient {
  /**
   * The role of an active account; null where there is none. Throws Unavailable (auth is away),
   * ClockSkew (its clock is off) or Unauthenticated.
   */
  roleOf(caller: Caller, userId: string): Promise<AccountRole | null>;
  /** The roles that hold a permission. Throws as roleOf does. */
  rolesWith(caller: Caller, permission: string): Promise<Role[]>;
  close(): Promise<void>;
}

/** Asks auth at `url`. Fails closed: anything but a clear yes or no is Unavailable. */
export function authClient(url: string, tls: Tls | null): AuthClient {
  const auth = internalClient(url, tls, { waitMs: WAIT_MS, connections: CONNECTIONS });
  return {
    async roleOf(caller, userId) {
      const { status, body } = await auth.ask(caller, `/internal/users/${encodeURIComponent(userId)}`);
      if (status === 404) return null;
      if (status !== 200) throw refusalOfService(body);
      const answer = UserStanding.safeParse(body);
      if (answer.data?.id !== userId) throw new Unavailable();
      return answer.data.role;
    },
    async rolesWith(caller, permission) {
      const path = `/internal/roles?permission=${encodeURIComponent(permission)}`;
      const { status, body } = await auth.ask(caller, path);
      if (status !== 200) throw refusalOfService(body);
      const answer = RoleHolders.safeParse(body);
      if (!answer.success) throw new Unavailable();
      return answer.data.roles;
    },
    close: () => auth.close(),
  };
}
