// Proves that a choice of columns is kept as it was made, and never leaves a list without its details.
import { expect, it } from 'vitest';
import { columnsFrom, layoutOf, STANDARD_COLUMNS } from './columns';

it('keeps a choice in the order of the columns, and takes no strange ones', () => {
  expect(columnsFrom('d,t,nonsense')).toEqual(['t', 'm', 'd']);
  expect([columnsFrom(undefined), columnsFrom('')]).toEqual([STANDARD_COLUMNS, STANDARD_COLUMNS]);
});

it('gives the rest of the row to the details, and leaves out what a small screen has no room for', () => {
  expect(layoutOf(STANDARD_COLUMNS, false, false).template).toBe('97px 92px 92px 82px minmax(0,1fr) 68px');
  expect(layoutOf(['t', 's', 'a', 'e', 'k', 'm'], true, true).shown.map(({ key }) => key)).toEqual(['t', 'k', 'm']);
});
