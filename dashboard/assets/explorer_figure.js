// The figure over the cloud: axes, finalists, another job's front, what is picked, ticked and brushed.

((explorer) => {
    const MOST_CORNERS = 60;
    const OUTLINE = "#8a8f98";
    const CONFIG = {
        displaylogo: false,
        responsive: true,
        doubleClick: false,
        modeBarButtonsToRemove: ["autoScale2d", "resetScale2d", "zoomIn2d", "zoomOut2d", "toImage"],
    };

    // Where rows stand on the view's axes, in axis units.
    function coordinates(points, rows, view, quantities) {
        const along = (name) => Array.from(rows, (row) => points.values(name)[row] / quantities[name].scale);
        return { x: along(view.x), y: along(view.y) };
    }

    // A finalist's way from its inherited weights to its fine-tuned ones, with a gap after each.
    function tuningLines(state, tuned) {
        const { points, match } = state;
        return tuned.flatMap((row) => {
            const from = points.rowsOf(points.digest(row)).find((other) => points.columns.fidelity[other] === 0);
            return from !== undefined && match[from] ? [from, row, -1] : [];
        });
    }

    // The rows of each trace, by its name.
    function traceRows(state) {
        const { points, match, front } = state;
        const onFront = new Set(front);
        const tuned = [];
        for (let row = 0; row < points.count; row++) {
            if (match[row] && points.columns.fidelity[row] === 1) {
                tuned.push(row);
            }
        }
        const inherited = (row) => points.rowsOf(points.digest(row)).filter((other) => points.columns.fidelity[other] === 0);
        const ofTicked = state.view.ticked.flatMap((digest) => points.rowsOf(digest));
        return {
            tuned: tuned.filter((row) => !onFront.has(row)),
            finalists: tuned.flatMap(inherited).filter((row) => match[row]),
            tuning: tuningLines(state, tuned),
            ticked: ofTicked.filter((row) => match[row]),
            picked: state.picked === null ? [] : [state.picked],
        };
    }

    // Which entries of what WebGL draws the legend has.
    function legend({ points, view, front }) {
        return {
            cloud: !view.colour,
            infeasible: view.feasible === "no",
            front: front.some((row) => !points.measured(row)),
            front_measured: front.some((row) => points.measured(row)),
        };
    }

    function filled(state, rows) {
        const { points, view, start, over } = state;
        const shown = legend(state);
        return start.figure.data.map((given) => {
            const trace = { ...given, marker: { ...given.marker } };
            const name = given.meta;
            if (rows[name]) {
                Object.assign(trace, coordinates(points, rows[name], view, start.quantities));
                trace.showlegend = given.mode === "markers" && rows[name].length > 0;
            }
            if (name in shown) {
                trace.showlegend = shown[name];
            }
            if (over && name.startsWith("over")) {
                const isLine = explorer.isStaircase(view, start.objectives);
                Object.assign(trace, over.coordinates(view), { name: `front of ${over.label}` });
                trace.showlegend = name === "over" && trace.x.length > 0;
                trace.line = { ...given.line, shape: "hv" };
                trace.visible = name === "over" || isLine;
            }
            if (view.colour && name === "cloud") {
                // Without points, it brings the colour bar.
                Object.assign(trace.marker, { color: [0], coloraxis: "coloraxis" });
            }
            return trace;
        });
    }

    function ranges(state) {
        const { points, view, start, whole } = state;
        if (view.zoom.length === 4) {
            return [view.zoom.slice(0, 2), view.zoom.slice(2)];
        }
        return ["x", "y"].map((axis) =>
            explorer.range(points, view[axis], view[axis + "scale"], start.quantities[view[axis]], whole),
        );
    }

    // The outline of the brush. It is a shape and no selection of plotly's, which would be told of anew at every change.
    function outline(brush) {
        const [kind, ...numbers] = brush;
        const look = { xref: "x", yref: "y", line: { width: 1.5, dash: "dot", color: OUTLINE } };
        if (kind === "box") {
            const [x0, y0, x1, y1] = numbers;
            return [{ type: "rect", x0, y0, x1, y1, ...look }];
        }
        const corners = [];
        for (let at = 0; at < numbers.length; at += 2) {
            corners.push(`${numbers[at]},${numbers[at + 1]}`);
        }
        return corners.length ? [{ type: "path", path: `M${corners.join("L")}Z`, ...look }] : [];
    }

    function layout(state) {
        const { view, start, template, gd } = state;
        const given = start.figure.layout;
        const [xrange, yrange] = ranges(state);
        const axis = (name, range) => {
            const scale = view[name + "scale"];
            const title = { text: start.quantities[view[name]].axis };
            return { title, type: scale, range, autorange: false, tickformat: scale === "log" ? ".3~g" : undefined };
        };
        const drawn = {
            ...given,
            template,
            dragmode: (gd.layout && gd.layout.dragmode) || given.dragmode,
            xaxis: axis("x", xrange),
            yaxis: axis("y", yrange),
            shapes: outline(view.brush),
            selections: [],
        };
        if (view.colour) {
            const quantity = start.quantities[view.colour];
            const [cmin, cmax] = explorer.colourSpan(state.points, view.colour, quantity);
            const colorscale = start.colour_scale.map((tone, at) => [at / (start.colour_scale.length - 1), tone]);
            const bar = { orientation: "h", y: 1.02, yanchor: "bottom", thickness: 10, len: 0.6, title: { text: quantity.axis, side: "top" } };
            drawn.coloraxis = { cmin, cmax, colorscale, colorbar: bar };
            drawn.margin = { ...given.margin, t: 72 };
        }
        if (!state.points.count) {
            drawn.annotations = [
                { text: "No evaluation yet", showarrow: false, xref: "paper", yref: "paper", x: 0.5, y: 0.5 },
            ];
        }
        return drawn;
    }

    // Draws the figure where it is another than the one that is there: of a slider's moves few change it.
    function drawFigure(state) {
        const rows = traceRows(state);
        const drawn = layout(state);
        const { template, ...told } = drawn;
        const key = JSON.stringify([rows, legend(state), told, state.view.x, state.view.y, state.points.latest, state.over?.label]);
        if (key === state.figureKey && template === state.figureTemplate) {
            return;
        }
        [state.figureKey, state.figureTemplate] = [key, template];
        window.Plotly.react(state.gd, filled(state, rows), drawn, CONFIG);
    }

    // Draws the cloud where the figure's axes are now, which a reader may be dragging.
    function drawCloud(state) {
        const full = state.gd && state.gd._fullLayout;
        if (!full || !full.xaxis || !state.cloud.works) {
            return;
        }
        const { l: left, t: top, w: width, h: height } = full._size;
        state.cloud.draw({ left, top, width, height }, { x: full.xaxis.range, y: full.yaxis.range });
    }

    // A brush as the view keeps it: corners in axis units, to four digits; a lasso of many corners is thinned.
    function brushOf(event) {
        const rounded = (value) => Number(value.toPrecision(6));
        if (event && event.range && event.range.x) {
            const { x, y } = event.range;
            if (x[0] === x[1] || y[0] === y[1]) {
                return null;
            }
            return ["box", x[0], y[0], x[1], y[1]].map((value) => (value === "box" ? value : rounded(value)));
        }
        if (event && event.lassoPoints && event.lassoPoints.x) {
            const { x, y } = event.lassoPoints;
            const corners = x.map((_, at) => at).filter((at) => at === 0 || x[at] !== x[at - 1] || y[at] !== y[at - 1]);
            const step = Math.ceil(corners.length / MOST_CORNERS);
            const kept = corners.filter((_, place) => place % step === 0);
            return kept.length > 2 ? ["lasso", ...kept.flatMap((at) => [rounded(x[at]), rounded(y[at])])] : null;
        }
        return null;
    }

    // Where on the figure a row is drawn, in pixels of the figure's own corner; null where it is not in sight.
    function pixel(state, row) {
        const { _size: size, xaxis, yaxis } = state.gd._fullLayout;
        const along = (value, [from, to]) => (value - from) / (to - from);
        const [x, y] = [along(state.axes.px[row], xaxis.range), along(state.axes.py[row], yaxis.range)];
        const inSight = x >= 0 && x <= 1 && y >= 0 && y <= 1;
        return inSight ? { x: size.l + x * size.w, y: size.t + (1 - y) * size.h } : null;
    }

    // The row drawn nearest to a place, within `reach` pixels; members of the front are easier to hit. -1 is none.
    function nearest(state, x, y, reach) {
        const { _size: size, xaxis, yaxis } = state.gd._fullLayout;
        const { px, py } = state.axes;
        const [xs, ys] = [size.w / (xaxis.range[1] - xaxis.range[0]), size.h / (yaxis.range[1] - yaxis.range[0])];
        const [x0, y0] = [xaxis.range[0] + (x - size.l) / xs, yaxis.range[0] + (size.t + size.h - y) / ys];
        const front = new Set(state.front);
        let [best, found] = [reach * reach, -1];
        for (let row = 0; row < px.length; row++) {
            const across = (px[row] - x0) * xs;
            const up = (py[row] - y0) * ys;
            const far = across * across + up * up;
            if (far < reach * reach && state.chosen[row]) {
                const felt = front.has(row) || state.points.columns.fidelity[row] === 1 ? far / 4 : far;
                if (felt < best) {
                    [best, found] = [felt, row];
                }
            }
        }
        return found;
    }

    Object.assign(explorer, { coordinates, drawFigure, drawCloud, brushOf, pixel, nearest });
})((window.frontierExplorer ||= {}));
