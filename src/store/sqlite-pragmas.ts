// What every connection to the embedded store is told, whichever thread holds it.

/** `fullfsync`: on macOS a plain fsync stops at the drive's cache. */
export const SAFE = 'pragma fullfsync=on; pragma checkpoint_fullfsync=on; pragma trusted_schema=off; pragma cell_size_check=on';

/** What the file of the write-ahead log keeps on the disk when it begins anew: 16 MiB. Asked of whoever lets it begin. */
export const LOG_KEPT = 'pragma journal_size_limit=16777216';
