export type { Letterhead } from "./block.ts";
export { type ChartSummary, chartSummary, type SummaryRow, type SummarySection } from "./chart-summary.ts";
export { DocumentFailed } from "./document.service.ts";
export { type Prescribed, prescriptionDocument } from "./prescription-document.ts";
