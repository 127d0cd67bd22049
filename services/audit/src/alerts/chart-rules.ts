import { atOnce } from "./counted.ts";
import { personOf, staffOnCharts } from "./person.ts";
import { HOUR_MS, type Rule } from "./rule.ts";
import { span } from "./words.ts";

/** Records notes what somebody is to the patient whose chart they used: the reason says it. */
const RELATED = "medvault.records.patient.related.v1";
const RELATIONS = {
  own: ["own_chart", "their own chart"],
  colleague: ["colleague_chart", "the chart of somebody who works here"],
  family_name: ["family_name_chart", "the chart of somebody with their family name"],
} as const;

/** Whose charts somebody looks at, and by what right: each once is enough. */
export const chartRules = (): Rule[] => [
  atOnce({
    name: "break_glass",
    coverMs: HOUR_MS,
    occurrence(fact) {
      const [actorId, patientId] = [personOf(fact), fact.patientIds[0]];
      const isOpened = fact.type === "medvault.records.breakglass.opened.v1" && fact.outcome === "success";
      return actorId === null || patientId === undefined || !isOpened
        ? null
        : { cause: { actorId, patientId }, weight: 1 };
    },
    why: ({ cause }, hit) =>
      `${cause.actorId} opened the chart of patient ${cause.patientId} in an emergency ${span(hit)}, without a place on the care team`,
  }),
  atOnce({
    name: "off_care_team",
    coverMs: HOUR_MS,
    occurrence(fact) {
      const actorId = staffOnCharts(fact);
      const isByRole = actorId !== null && fact.data()?.decision.reason === "role";
      return isByRole ? { cause: { actorId }, weight: 1 } : null;
    },
    why: ({ cause }, hit) =>
      `${cause.actorId} used charts by the rights of their role ${span(hit)}, without a place on the care team`,
  }),
  ...Object.entries(RELATIONS).map(([relation, [name, words]]) => {
    return atOnce({
      name,
      coverMs: HOUR_MS,
      occurrence(fact) {
        const [actorId, patientId] = [staffOnCharts(fact), fact.patientIds[0]];
        if (fact.type !== RELATED || actorId === null || patientId === undefined) return null;
        return fact.data()?.decision.reason === relation
          ? { cause: { actorId, patientId }, weight: 1 }
          : null;
      },
      why: ({ cause }, hit) => `${cause.actorId} used ${words} (patient ${cause.patientId}) ${span(hit)}`,
    });
  }),
];
