// Proves the scroller: exact below the cap, both ends and every row reachable above it.
import { describe, expect, it } from 'vitest';
import { SCROLL_PX_MAX, ScrollMap } from './scroll-map';

describe('ScrollMap', () => {
  it('is plain pixels while the list is short', () => {
    const map = new ScrollMap(1000, 24, 600);
    expect([map.height, map.toTop(480), map.toScroll(480), map.moved(0, 0, 480)]).toEqual([24_000, 480, 480, 480]);
    expect(map.clamp(1e9)).toBe(24_000 - 600);
  });

  it('never scrolls a list that fits', () => {
    const map = new ScrollMap(3, 24, 600);
    expect([map.height, map.topMax, map.toTop(50)]).toEqual([600, 0, 0]);
  });

  it('reaches the first and the last of a million rows', () => {
    const map = new ScrollMap(1_048_576, 24, 600);
    expect(map.height).toBe(SCROLL_PX_MAX);
    expect(map.toTop(0)).toBe(0);
    expect(map.toTop(SCROLL_PX_MAX - 600)).toBeCloseTo(1_048_576 * 24 - 600, 3);
    expect(map.moved(1e6, 5, 0)).toBe(0);
    expect(map.moved(1e6, SCROLL_PX_MAX - 700, SCROLL_PX_MAX - 600)).toBe(map.topMax);
  });

  it('moves by the wheel\'s own pixels and by the thumb\'s share', () => {
    const map = new ScrollMap(1_048_576, 24, 600);
    expect(map.moved(1_000_000, 3000, 3100)).toBe(1_000_100);
    expect(map.moved(1_000_000, 3000, 4_000_300)).toBeCloseTo(map.toTop(4_000_300));
  });

  it('finds its way back from every place', () => {
    const map = new ScrollMap(1_048_576, 24, 600);
    for (const top of [0, 1234, 9_999_999, 25_000_000]) expect(map.toTop(map.toScroll(top))).toBeCloseTo(top, 3);
  });
});
