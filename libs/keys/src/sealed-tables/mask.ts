const HIDDEN = "••••";
// Under eight characters the first and the last four would be nearly all of it.
const MIN_FOR_EDGES = 8;

/** First character and last four (`S••••567D`); of shorter text the first; of very little none. */
export function maskEdges(value: unknown): unknown {
  if (value === null || value === undefined) return value;
  if (typeof value !== "string") return HIDDEN;
  const points = [...value];
  if (points.length >= MIN_FOR_EDGES) return `${points[0]}${HIDDEN}${points.slice(-4).join("")}`;
  return points.length >= 4 ? `${points[0]}${HIDDEN}` : HIDDEN;
}
