import { refusal } from "@medvault/contracts";

/** 409: the row is there and does not open, so it can be neither shown, changed nor deleted. */
export class RowDamaged extends refusal(
  "row_damaged",
  "This entry was damaged in the database and does not open. Ask an operator to restore this one entry.",
) {}
