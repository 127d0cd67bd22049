/**
 * The cheapest assignment of rows to columns of a square matrix of costs: for each row its column.
 * Hungarian method with potentials, O(n³).
 */
export function cheapestAssignment(costs: readonly Float64Array[]): number[] {
  const size = costs.length;
  const rowPotential = new Float64Array(size + 1);
  const columnPotential = new Float64Array(size + 1);
  const rowOf = new Int32Array(size + 1); // of each column, 1-based; 0: the row being placed
  for (let row = 1; row <= size; row += 1) {
    rowOf[0] = row;
    const least = new Float64Array(size + 1).fill(Number.POSITIVE_INFINITY);
    const before = new Int32Array(size + 1);
    const isDone = new Uint8Array(size + 1);
    let column = 0;
    do {
      isDone[column] = 1;
      const from = rowOf[column] ?? 0;
      const costsOfRow = costs[from - 1] ?? new Float64Array(size);
      let step = Number.POSITIVE_INFINITY;
      let next = 0;
      for (let at = 1; at <= size; at += 1) {
        if (isDone[at]) continue;
        const reduced = (costsOfRow[at - 1] ?? 0) - (rowPotential[from] ?? 0) - (columnPotential[at] ?? 0);
        if (reduced < (least[at] ?? 0)) {
          least[at] = reduced;
          before[at] = column;
        }
        if ((least[at] ?? 0) < step) {
          step = least[at] ?? 0;
          next = at;
        }
      }
      for (let at = 0; at <= size; at += 1) {
        if (isDone[at]) {
          const owner = rowOf[at] ?? 0;
          rowPotential[owner] = (rowPotential[owner] ?? 0) + step;
          columnPotential[at] = (columnPotential[at] ?? 0) - step;
        } else least[at] = (least[at] ?? 0) - step;
      }
      column = next;
    } while (rowOf[column] !== 0);
    while (column !== 0) {
      const previous = before[column] ?? 0;
      rowOf[column] = rowOf[previous] ?? 0;
      column = previous;
    }
  }
  const columnOf = new Array<number>(size).fill(0);
  for (let column = 1; column <= size; column += 1) columnOf[(rowOf[column] ?? 1) - 1] = column - 1;
  return columnOf;
}
