import { type Actor, deniedEvent } from "@medvault/contracts";
import type { AuthContext } from "../context.ts";
import { CodeReplayed, MfaTokenInvalid } from "../lockout/lockout.errors.ts";
import { markRecorded } from "../recorded.ts";

/**
 * Runs the second half of a sign-in. What is no wrong code but a way around one leaves an event of its own: a half of a
 * sign-in that never was, is over or was used (`mfa_token_invalid`), and a right code for the second time
 * (`code_replayed`: somebody saw it). The gate tells of grants without the factor (`grant.refused`,
 * `second_factor_missing`), the gateway of sessions that must enrol one first (`enrollment_required`).
 */
export async function watched<T>(ctx: AuthContext, actor: Actor, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof MfaTokenInvalid || error instanceof CodeReplayed)) throw error;
    await ctx.record(
      deniedEvent(actor, {
        type: "medvault.auth.mfa.bypass-attempted.v1",
        subject: actor.sessionId === null ? "user/unknown" : `user/${actor.id}`,
        action: "mfa:try",
        reason: error instanceof CodeReplayed ? "code_replayed" : error.code,
      }),
    );
    throw markRecorded(error);
  }
}
