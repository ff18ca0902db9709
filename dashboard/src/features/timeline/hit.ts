// What stands under the pointer.
import { spanAt } from '../../live/lanes';
import { clock, took } from '../../ui/format';
import { shownMarks } from './draw';
import { LABEL_PX, type Picture } from './picture';
import { visible } from './shapes';
import { ROW_PX } from './tracks';

export interface Hit {
  seq: number;
  x: number;
  y: number;
  text: string;
}

const SLACK_PX = 3;

export function hitTest(picture: Picture, width: number, x: number, y: number): Hit | undefined {
  if (x < LABEL_PX) return undefined;
  const perPx = (picture.to - picture.from) / Math.max(1, width - LABEL_PX);
  const shown = picture.from + (x - LABEL_PX) * perPx;
  const slack = SLACK_PX * perPx;
  const near = (time: number): boolean => Math.abs(picture.axis.shown(time) - shown) <= slack * 1.5;
  const track = picture.tracks.find((entry) => y >= entry.top && y < entry.top + entry.height);
  switch (track?.kind) {
    case 'marks': {
      const mark = shownMarks(picture).findLast((entry) => near(entry.time));
      return mark && { seq: mark.seq, x, y, text: `${clock(mark.time, picture.utc)} ${mark.what} ${mark.label}` };
    }
    case 'file': {
      const touch = track.touches.findLast((entry) => near(entry.time));
      return touch && { seq: touch.seq, x, y, text: `${clock(touch.time, picture.utc)} ${touch.agent} ${touch.changed ? `changed +${touch.added} −${touch.removed}` : 'read'} ${touch.path}` };
    }
    case 'plan': {
      const row = Math.floor((y - track.top - 6) / 20);
      const item = track.items.find((entry, index) => track.rows[index] === row && picture.axis.shown(entry.startedAt) <= shown && picture.axis.shown(entry.doneAt || picture.now) >= shown);
      return item && { seq: 0, x, y, text: `${item.content}, ${took((item.doneAt || picture.now) - item.startedAt)}` };
    }
    case 'lane': {
      const row = Math.floor((y - track.spansTop) / ROW_PX);
      const shape = picture.shapes.get(track.lane.key);
      if (!shape) return undefined;
      const { first, last } = visible(shape, shown - slack, shown + slack);
      const open = track.lane.open.filter((index) => index < first && (shape.starts[index] ?? 0) <= shown + slack);
      for (let at = last - 1; at >= first - open.length; at -= 1) {
        const index = at >= first ? at : (open[first - 1 - at] ?? -1);
        if (track.lane.rows[index] !== row || (shape.ends[index] ?? 0) + slack < shown) continue;
        const span = spanAt(track.lane, index);
        if (!span) continue;
        return { seq: span.seq, x, y, text: `${span.what} ${span.label}, ${span.end === 0 ? `open ${took(picture.now - span.start)}` : took(span.end - span.start)}${span.error ? ', failed' : ''}` };
      }
      return undefined;
    }
    default:
      return undefined;
  }
}
