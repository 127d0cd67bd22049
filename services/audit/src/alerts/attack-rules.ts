import { atOnce, counted } from "./counted.ts";
import { personOf } from "./person.ts";
import { type Fact, HOUR_MS, type Rule } from "./rule.ts";
import type { AlertSettings } from "./settings.ts";
import { span } from "./words.ts";

const SCREENED = "medvault.gateway.screening.hit.v1";

/** What the gateway says of requests that it could not take at all: no access was refused. */
const NO_ACCESS =
  /^medvault\.(gateway\.(screening\.hit|request\.(rate_limited|request_malformed|token_refused|session_required|enrollment_required))|auth\..*\.failed)\.v1$/;
/** Of others the gateway says the code: those of a refused access. */
const ACCESS_CODES: ReadonlySet<string> = new Set([
  "forbidden",
  "not_found",
  "not_on_care_team",
  "part_closed",
]);

function isDenial(fact: Fact): boolean {
  if (fact.outcome !== "denied" || NO_ACCESS.test(fact.type)) return false;
  if (fact.type !== "medvault.gateway.request.refused.v1") return true;
  return ACCESS_CODES.has(fact.data()?.decision.reason ?? "");
}

/** Accesses that one person was refused. */
export function denials({ denials: threshold, denialsMinutes }: AlertSettings): Rule {
  const windowMs = denialsMinutes * 60_000;
  return counted({
    name: "denials",
    ...{ threshold, windowMs, coverMs: Math.max(windowMs, HOUR_MS) },
    occurrence(fact) {
      const actorId = personOf(fact);
      return actorId !== null && isDenial(fact) ? { cause: { actorId }, weight: countOf(fact) } : null;
    },
    why: ({ cause }, hit) =>
      `${cause.actorId} was refused ${hit.count} times ${span(hit)} (limit ${threshold} in ${denialsMinutes} min)`,
  });
}

/** The gateway counts requests of one kind together: always those of guests. */
function countOf(fact: Fact): number {
  if (!fact.type.startsWith("medvault.gateway.")) return 1;
  const count = fact.data()?.details?.count;
  return typeof count === "number" && Number.isSafeInteger(count) && count > 0 ? count : 1;
}

/** Requests that looked like an attack: of a person at once, of guests where they are many. */
export function attacks({ guestAttacks: threshold, guestAttacksMinutes }: AlertSettings): Rule[] {
  const windowMs = guestAttacksMinutes * 60_000;
  return [
    atOnce({
      name: "injection",
      coverMs: HOUR_MS,
      occurrence(fact) {
        const actorId = fact.type === SCREENED ? personOf(fact) : null;
        if (actorId === null) return null;
        const words = String(fact.data()?.details?.kind ?? "of a kind that is not known");
        return { cause: { actorId }, weight: countOf(fact), words };
      },
      why: ({ cause, words }, hit) =>
        `${cause.actorId}, who was signed in, sent a request that looked like an attack (${words}) ${span(hit)}; it was refused`,
    }),
    counted({
      name: "guest_attacks",
      ...{ threshold, windowMs, coverMs: Math.max(windowMs, HOUR_MS) },
      occurrence: (fact) =>
        fact.type === SCREENED && personOf(fact) === null
          ? { cause: { subject: "guests" }, weight: countOf(fact) }
          : null,
      why: (_, hit) =>
        `${hit.count} requests of guests looked like attacks ${span(hit)} (limit ${threshold} in ${guestAttacksMinutes} min); they were refused`,
    }),
  ];
}
