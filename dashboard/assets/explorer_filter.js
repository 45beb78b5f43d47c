// Which points are within the limits, which of those are selected, and which of them nothing else betters.

((explorer) => {
    // 1 for every evaluation within the view's limits, fidelity, states and time.
    function matching(points, view) {
        const { fidelity, state, seq } = points.columns;
        const match = new Uint8Array(points.count);
        const wanted = explorer.FIDELITIES.indexOf(view.fidelity);
        const last = view.at || Infinity;
        const states = view.feasible === "yes" ? 0 : 1;
        for (let row = 0; row < points.count; row++) {
            match[row] = seq[row] <= last && state[row] <= states && (wanted < 0 || fidelity[row] === wanted);
        }
        for (const [name, limit] of Object.entries(view.limits)) {
            // Rounded as the values are, so that a limit equal to a value lets it through.
            const [values, most] = [points.values(name), Math.fround(limit)];
            for (let row = 0; row < points.count; row++) {
                match[row] &= values[row] <= most;
            }
        }
        return match;
    }

    function inside(corners, x, y) {
        let within = false;
        for (let at = 0, last = corners.length - 1; at < corners.length; last = at++) {
            const [[x1, y1], [x2, y2]] = [corners[at], corners[last]];
            if (y1 > y !== y2 > y && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) {
                within = !within;
            }
        }
        return within;
    }

    // The rows of `match` that lie in the brush (in axis units) and in the ranges drawn on the choices. A range can only
    // be held against the evaluations whose choices are known.
    function selected(match, axes, brush, allowed) {
        if (!brush.length && !allowed) {
            return match;
        }
        const chosen = match.slice();
        const [kind, ...numbers] = brush;
        const corners = [];
        for (let at = 0; at < numbers.length; at += 2) {
            corners.push([numbers[at], numbers[at + 1]]);
        }
        const sides = corners.length ? [0, 1].map((axis) => corners.map((corner) => corner[axis])) : [[], []];
        const [[left, right], [low, high]] = sides.map((side) => [Math.min(...side), Math.max(...side)]);
        for (let row = 0; row < chosen.length; row++) {
            if (!chosen[row]) {
                continue;
            }
            const [x, y] = [axes.x[row], axes.y[row]];
            if (kind && !(x >= left && x <= right && y >= low && y <= high)) {
                chosen[row] = 0;
            } else if (kind === "lasso" && !inside(corners, x, y)) {
                chosen[row] = 0;
            } else if (allowed && !allowed.has(row)) {
                chosen[row] = 0;
            }
        }
        return chosen;
    }

    // The complete rows of a fidelity whose objectives are all known, by the first objective, then the next, then time.
    function ordered(points, objectives, fidelity) {
        return points.once(`order ${objectives} ${fidelity}`, () => {
            const columns = objectives.map((name) => points.values(name));
            const { state, fidelity: codes } = points.columns;
            const rows = [];
            for (let row = 0; row < points.count; row++) {
                if (state[row] === 0 && codes[row] === fidelity && columns.every((values) => !Number.isNaN(values[row]))) {
                    rows.push(row);
                }
            }
            return rows.sort((one, two) => {
                const differs = columns.find((values) => values[one] !== values[two]);
                return differs ? differs[one] - differs[two] : one - two;
            });
        });
    }

    // The rows of `match` that no other of them betters in the objectives. Of equal ones the first stays.
    function frontOf(points, match, objectives, fidelity) {
        const columns = objectives.map((name) => points.values(name));
        const front = [];
        const betters = (rival, row) => columns.every((values) => values[rival] <= values[row]);
        for (const row of ordered(points, objectives, fidelity)) {
            // Over two objectives the last to enter is the lowest in the second, so it alone can better a later one.
            const last = front.length - 1;
            const first = columns.length === 2 ? Math.max(0, last) : 0;
            let beaten = !match[row];
            for (let at = last; at >= first && !beaten; at--) {
                beaten = betters(front[at], row);
            }
            if (!beaten) {
                front.push(row);
            }
        }
        return front;
    }

    // The front to draw: the ledger's own, or, where limits leave some out, the front of those within them.
    function currentFront(points, view, match, objectives) {
        const fidelity = view.fidelity === "finetuned" ? "finetuned" : "inherited";
        if (!Object.keys(view.limits).length) {
            return points.front(fidelity, view.at);
        }
        return frontOf(points, match, objectives, explorer.FIDELITIES.indexOf(fidelity));
    }

    Object.assign(explorer, { matching, selected, ordered, currentFront });
})((window.frontierExplorer ||= {}));
