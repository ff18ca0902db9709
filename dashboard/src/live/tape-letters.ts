// A session's tape in letters, one a minute, oldest first: `s`hell, `e`dit, `r`ead, `w`eb, or one of these two.

export const TAPE_MINUTES = 24;
export const OTHER = 'n';
export const NO_CALL = '·';
