import { counted } from "./counted.ts";
import type { Fact, Rule } from "./rule.ts";
import type { AlertSettings } from "./settings.ts";
import { span } from "./words.ts";

const HOUR_MS = 3_600_000;
const FAILED_SIGN_IN = /^medvault\.auth\.((login|mfa)\.(failed|refused)|passkey\.denied)\.v1$/;
const UNKNOWN = "user/unknown";

const isFailedSignIn = ({ type }: Fact) => FAILED_SIGN_IN.test(type);

/** Of one account, and from one address. */
export function failedSignIns({ failedSignIns: threshold, failedSignInsMinutes }: AlertSettings): Rule[] {
  const windowMs = failedSignInsMinutes * 60_000;
  const shared = { coverMs: Math.max(windowMs, HOUR_MS), threshold, windowMs, isByGuests: true } as const;
  return [
    counted({
      ...shared,
      name: "failed_sign_ins",
      occurrence: (fact) =>
        isFailedSignIn(fact) && fact.subject !== UNKNOWN
          ? { cause: { actorId: fact.subject.replace(/^user\//, "") }, weight: 1 }
          : null,
      why: ({ cause }, hit) =>
        `${hit.count} sign-ins to account ${cause.actorId ?? "of many"} failed ${span(hit)} (limit ${threshold} in ${failedSignInsMinutes} min)`,
    }),
    counted({
      ...shared,
      name: "failed_sign_ins_from_address",
      occurrence: (fact) =>
        isFailedSignIn(fact) && fact.ip !== null ? { cause: { address: fact.ip }, weight: 1 } : null,
      why: ({ cause }, hit) =>
        `${hit.count} sign-ins from ${cause.address ?? "many addresses"} failed ${span(hit)} (limit ${threshold} in ${failedSignInsMinutes} min)`,
    }),
  ] as Rule[];
}
