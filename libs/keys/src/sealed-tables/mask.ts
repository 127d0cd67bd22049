const HIDDEN = "••••";
// Under eight characters the first and the last four would be nearly all of it.
const MIN_FOR_EDGES = 8;

/** The first character and the last four (`S••••567D`); of something shorter the first alone; of very little nothing. */
export function maskEdges(value: unknown): unknown {
  if (value === null || value === undefined) return value;
  if (typeof value !== "string") return HIDDEN;
  const points = [...value];
  if (points.length >= MIN_FOR_EDGES) return `${points[0]}${HIDDEN}${points.slice(-4).join("")}`;
  return points.length >= 4 ? `${points[0]}${HIDDEN}` : HIDDEN;
}
