import { WeakPassword } from "./password.errors.ts";
import type { PasswordList } from "./password-list.store.ts";
import {
  faultsOf,
  normalisePassword,
  type PasswordFault,
  type PasswordOwner,
  type PolicyKind,
} from "./password-policy.ts";

/** The policy as this deployment has it. */
export interface PasswordCheck {
  /** Every fault; none means that the password is taken. */
  faultsOf(password: string, owner: PasswordOwner): Promise<PasswordFault[]>;
  /** Throws WeakPassword with every fault, under the name of the field. */
  requireAcceptable(password: string, owner: PasswordOwner, field: string): Promise<void>;
}

/** The policy of this kind, with the operator's list if there is one. */
export function createPasswordCheck(kind: PolicyKind, list: PasswordList | null): PasswordCheck {
  async function faults(password: string, owner: PasswordOwner): Promise<PasswordFault[]> {
    const found = faultsOf(password, owner, kind);
    if (list && (await list.has(normalisePassword(password)))) found.push("breached_password");
    return found;
  }
  return {
    faultsOf: faults,
    async requireAcceptable(password, owner, field) {
      const found = await faults(password, owner);
      if (found.length > 0) throw new WeakPassword(field, found);
    },
  };
}
