/** Rows as aligned columns; numbers stand on the right. The first row is the heading. */
export const table = (rows: ReadonlyArray<ReadonlyArray<string | number>>) => {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => String(row[column] ?? "").length))
  )
  const isNumeric = widths.map((_, column) => rows.slice(1).every((row) => typeof row[column] === "number"))
  return rows
    .map((row) =>
      row
        .map((cell, column) =>
          isNumeric[column]
            ? String(cell).padStart(widths[column] ?? 0)
            : String(cell).padEnd(widths[column] ?? 0)
        )
        .join("  ")
        .trimEnd()
    )
    .join("\n")
}
