/** The argument of the `index`-th call: about 60 characters, different each time. `subjects/celery/caller.py` has its twin. */
export function argument(index: number): string {
  return `report-${String(index).padStart(9, '0')}/customer-4711/2024-06-01T00:00:00.000Z/eu`;
}
