import { atOnce } from "./counted.ts";
import { personOf } from "./person.ts";
import { type Cause, type Fact, HOUR_MS, type Rule } from "./rule.ts";
import { span } from "./words.ts";

/** Whose account or session it is, by the event's subject. */
function ownerOf({ subject, ip }: Fact): Cause {
  const [what, id] = subject.split("/");
  if (what === "user" && id !== undefined && id !== "unknown") return { actorId: id };
  return what === "session" ? { subject } : { address: ip ?? "unknown" };
}

const BYPASS = "medvault.auth.mfa.bypass-attempted.v1";
const REFUSED = "medvault.auth.grant.refused.v1";

const isBypass = (fact: Fact) =>
  fact.type === BYPASS || (fact.type === REFUSED && fact.data()?.decision.reason === "second_factor_missing");

const nameOf = ({ actorId, subject, address }: Cause) => actorId ?? subject ?? `somebody at ${address}`;

/** What happens to sessions: each once is enough. */
export const sessionRules = (): Rule[] => [
  ...(["address", "agent"] as const).map((what) =>
    atOnce({
      name: `session_${what}_changed`,
      coverMs: HOUR_MS,
      occurrence(fact) {
        const actorId = personOf(fact);
        if (actorId === null || fact.type !== `medvault.auth.session.${what}-changed.v1`) return null;
        return { cause: { actorId }, weight: 1, words: fact.ip ?? "an address that is not known" };
      },
      why: ({ cause, words }, hit) =>
        `a session of ${cause.actorId} was used from ${what === "agent" ? "another program or device" : "another network"} (${words}) ${span(hit)}`,
    }),
  ),
  atOnce({
    name: "session_limit",
    coverMs: 24 * HOUR_MS,
    occurrence: (fact) =>
      fact.type === "medvault.auth.session.limit-reached.v1" && fact.actorId !== null
        ? { cause: { actorId: fact.actorId }, weight: 1 }
        : null,
    why: ({ cause }, hit) =>
      `${cause.actorId} had as many sessions as one may have and signed in again ${span(hit)}`,
  }),
  atOnce({
    name: "refresh_reused",
    coverMs: HOUR_MS,
    occurrence: (fact) =>
      fact.type === "medvault.auth.refresh.denied.v1" && fact.data()?.decision.reason === "refresh_reused"
        ? { cause: { subject: fact.subject }, weight: 1, words: fact.ip ?? "an address that is not known" }
        : null,
    why: ({ cause, words }, hit) =>
      `a token of ${cause.subject} that was used up was shown again, from ${words}, ${span(hit)}; the session was ended`,
  }),
  atOnce({
    name: "mfa_bypass",
    coverMs: HOUR_MS,
    isByGuests: true,
    occurrence: (fact) => (isBypass(fact) ? { cause: ownerOf(fact), weight: 1 } : null),
    why: ({ cause }, hit) => `${nameOf(cause)} tried to get past the second factor of a sign-in ${span(hit)}`,
  }),
];
