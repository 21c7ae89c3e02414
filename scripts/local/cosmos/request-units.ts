/**
 * Request units as Azure publishes them: a point read of 1 KB is 1 and of 100 KB is 10, a write without its index 5 and 50, a query at
 * least 2.3. Reads cost twice under strong consistency, which infra/ asks for. What an index costs a write, and a query its
 * documents, is not published: a query is counted by what it loads, at the price of large reads. An estimate to compare with, no invoice.
 */
export const requestUnits = {
  read: (bytes: number): number => 2 * between(1, 10, bytes),
  write: (bytes: number): number => between(5, 50, bytes),
  query: (bytes: number): number => 2.3 + 2 * 0.1 * (bytes / 1_024),
};

function between(small: number, large: number, bytes: number): number {
  const kilobytes = Math.max(1, bytes / 1_024);
  return small + ((large - small) * (kilobytes - 1)) / 99;
}
