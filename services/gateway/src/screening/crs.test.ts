import { expect, test } from "vitest";
import { type CrsCase, crsCases, groupOf, isCrsAvailable, refusalOf } from "../../test/core-rule-set.ts";
import { givenGateway } from "../../test/harness.ts";

/** The Core Rule Set's own tests, where they are available, sent through a whole gateway. */
const found = test.runIf(isCrsAvailable);
const AT_ONCE = 16;

const edge = await givenGateway({ MEDVAULT_RATE_LIMIT: "1000000" });
const doctor = await edge.signIn("doctor");

type Refusal = Awaited<ReturnType<typeof refusalOf>>;

async function sent(cases: readonly CrsCase[]): Promise<Refusal[]> {
  const refusals: Refusal[] = [];
  for (let i = 0; i < cases.length; i += AT_ONCE) {
    const some = cases.slice(i, i + AT_ONCE);
    refusals.push(...(await Promise.all(some.map((one) => refusalOf(edge, doctor, one)))));
  }
  return refusals;
}

/** The least share refused, by group of rules, as measured. 920 to 922 are about requests' form. */
const SHARES: Readonly<Record<number, number>> = {
  913: 1,
  920: 0.68,
  921: 0.83,
  922: 1,
  930: 1,
  932: 0.91,
  934: 0.98,
  941: 0.92,
  942: 0.92,
};

found(
  "of the Core Rule Set's own attacks at least 90 % are refused, 85 % of them reported as attacks",
  async () => {
    const cases = crsCases("attack");
    const refusals = await sent(cases);
    const share = (of: (at: number) => boolean, hit: (refusal: Refusal) => boolean) => {
      const group = refusals.filter((_, at) => of(at));
      return group.filter(hit).length / group.length;
    };
    for (const [group, least] of Object.entries(SHARES)) {
      const inGroup = (at: number) => groupOf(cases[at] as CrsCase) === Number(group);
      expect(
        share(inGroup, (refusal) => refusal !== null),
        group,
      ).toBeGreaterThanOrEqual(least);
    }
    const all = () => true;
    expect(share(all, (refusal) => refusal !== null)).toBeGreaterThanOrEqual(0.9);
    expect(share(all, (refusal) => refusal === "screened")).toBeGreaterThanOrEqual(0.85);
  },
  120_000,
);

found(
  "of its counterexamples, some of them attacks to its other rules, at most 14 % are reported as attacks",
  async () => {
    const refusals = await sent(crsCases("rule_negative"));
    expect(refusals.filter((refusal) => refusal === "screened").length / refusals.length).toBeLessThanOrEqual(
      0.14,
    );
  },
  120_000,
);
