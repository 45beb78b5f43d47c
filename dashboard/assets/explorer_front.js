// The front, as WebGL draws it: its members' marks, the bars of their predicted latencies, and the line through them.

((explorer) => {
    const DISC = 9;
    const CAP = 4;
    const RING = 13;
    const FAINT = 60;
    const LATENCIES = ["latency_ms", "latency_predicted_ms"];

    // The interval of each predicted latency among some rows: [row, lowest, highest] in ms. What was measured has none.
    function intervals(points, rows, name) {
        const { latency_low_ms: low, latency_high_ms: high } = points.columns;
        const predicted = (row) => name === "latency_predicted_ms" || !points.measured(row);
        return rows
            .filter((row) => predicted(row) && Number.isFinite(low[row]) && Number.isFinite(high[row]))
            .map((row) => [row, low[row], high[row]]);
    }

    // Whether the axes are the job's two objectives: only then the front is a staircase.
    function isStaircase(view, objectives) {
        return objectives.length === 2 && objectives.includes(view.x) && objectives.includes(view.y);
    }

    // The ends of the lines through the front, two by two: level from each member to the next, and then down.
    function stairEnds({ view, start, axes }, rows) {
        const along = isStaircase(view, start.objectives) ? [...rows] : [];
        along.sort((one, two) => axes.px[one] - axes.px[two]);
        return along.slice(1).flatMap((row, at) => {
            const before = along[at];
            const corner = [axes.px[row], axes.py[before]];
            return [[axes.px[before], axes.py[before]], corner, corner, [axes.px[row], axes.py[row]]];
        });
    }

    // The ends of the bars of the intervals, two by two.
    function barEnds({ points, view, axes }, rows) {
        const ends = [];
        for (const axis of ["x", "y"].filter((one) => LATENCIES.includes(view[one]))) {
            const place = (value) => (view[axis + "scale"] === "log" ? Math.log10(value) : value);
            for (const [row, low, high] of intervals(points, rows, view[axis])) {
                const across = axis === "x";
                const end = (value) => (across ? [place(value), axes.py[row]] : [axes.px[row], place(value)]);
                ends.push(end(low), end(high));
            }
        }
        return ends;
    }

    function repeated(colour, opacity, count) {
        const ink = new Uint8Array(4 * count);
        for (let at = 0; at < count; at++) {
            ink.set([...colour, opacity], 4 * at);
        }
        return ink;
    }

    // A bar has a small cap at either end. A member is a mark in the front's colour; where a third value has the colour, it has that within a ring.
    function marks(state, rows, caps) {
        const { points, view, axes, ink, chosen } = state;
        const rounds = view.colour ? [RING, DISC] : [DISC];
        const every = rounds.flatMap((girth) => rows.map((row) => ({ row, girth })));
        const inks = repeated(explorer.rgb(state.start.colours.front), 255, every.length);
        every.forEach(({ row, girth }, at) => {
            if (view.colour && girth === DISC) {
                inks.set(ink.subarray(4 * row, 4 * row + 3), 4 * at);
            }
            inks[4 * at + 3] = chosen[row] ? 255 : FAINT;
        });
        const places = [...caps, ...every.map(({ row }) => [axes.px[row], axes.py[row]])];
        const shapes = every.map(({ row }) => (points.measured(row) ? 1 : 0));
        return {
            x: Float32Array.from(places, ([x]) => x),
            y: Float32Array.from(places, ([, y]) => y),
            shape: Uint8Array.from([...caps.map(() => 0), ...shapes]),
            girth: Uint8Array.from([...caps.map(() => CAP), ...every.map(({ girth }) => girth)]),
            ink: Uint8Array.from([...repeated(explorer.rgb(state.start.colours.front), 200, caps.length), ...inks]),
        };
    }

    function drawFront(state) {
        const { axes, cloud, front } = state;
        const rows = front.filter((row) => Number.isFinite(axes.px[row]) && Number.isFinite(axes.py[row]));
        const caps = barEnds(state, rows);
        const ends = [...stairEnds(state, rows), ...caps];
        cloud.put("lines", {
            x: Float32Array.from(ends, ([x]) => x),
            y: Float32Array.from(ends, ([, y]) => y),
            ink: repeated(explorer.rgb(state.start.colours.front), 200, ends.length),
        });
        cloud.put("marks", marks(state, rows, caps));
    }

    Object.assign(explorer, { intervals, isStaircase, drawFront });
})((window.frontierExplorer ||= {}));
