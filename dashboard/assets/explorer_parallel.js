// Parallel coordinates of a sample: an axis per choice, then the job's objectives. What is drawn along an axis filters.

((explorer) => {
    const HEIGHT = 420;
    const AXIS_PIXELS = 105;
    const DIM = "rgba(138, 143, 152, 0.12)";

    // The rows of the sample that the limits and the brush leave, and their places in the sample.
    function lines(state) {
        const { sample, points, seen } = state;
        return sample.seqs
            .map((seq, at) => ({ at, row: points.rowOf(seq) }))
            .filter(({ row }) => row >= 0 && seen[row]);
    }

    function choiceAxis(choice, kept, range) {
        return {
            name: choice.name,
            label: explorer.escaped(choice.name),
            values: kept.map(({ at }) => choice.codes[at]),
            range: [0, Math.max(1, choice.options.length - 1)],
            tickvals: choice.options.map((_, code) => code),
            ticktext: choice.options.map(explorer.escaped),
            constraintrange: range,
        };
    }

    function objectiveAxis(state, name, kept, range) {
        const quantity = state.start.quantities[name];
        const unit = { latency: "ms", count: "millions", bytes: "MiB" }[quantity.kind];
        const values = kept.map(({ row }) => state.points.values(name)[row] / quantity.scale);
        const label = unit ? `${quantity.label} (${unit})` : quantity.label;
        return { name, label, values, tickformat: ".3~g", constraintrange: range };
    }

    // A constraint as plotly takes it, from the numbers of the view: one range, or several.
    function constraint(numbers) {
        const pairs = [];
        for (let at = 0; numbers && at < numbers.length; at += 2) {
            pairs.push([numbers[at], numbers[at + 1]]);
        }
        return pairs.length > 1 ? pairs : pairs[0];
    }

    function dimensions(state, kept) {
        const { sample, view, start } = state;
        const choices = sample.choices.filter(({ name }) => view.shown.includes(name));
        choices.sort((one, two) => view.shown.indexOf(one.name) - view.shown.indexOf(two.name));
        return [
            ...choices.map((choice) => choiceAxis(choice, kept, constraint(view.ranges[choice.name]))),
            ...start.objectives.map((name) => objectiveAxis(state, name, kept, constraint(view.ranges[name]))),
        ];
    }

    // The rows that lie in every range that was drawn, null where none was. Plotly tells of ranges, not of rows.
    function allowedRows(state) {
        const { sample, view, points, start } = state;
        const drawn = Object.entries(view.ranges);
        if (!sample || !drawn.length) {
            return null;
        }
        const within = (numbers, value) => numbers.some((low, at) => at % 2 === 0 && value >= low && value <= numbers[at + 1]);
        const allowed = new Set();
        sample.seqs.forEach((seq, at) => {
            const row = points.rowOf(seq);
            const keeps = ([name, numbers]) => {
                const choice = sample.choices.find((one) => one.name === name);
                const quantity = start.quantities[name];
                return within(numbers, choice ? choice.codes[at] : points.values(name)[row] / quantity.scale);
            };
            if (row >= 0 && drawn.every(keeps)) {
                allowed.add(row);
            }
        });
        return allowed;
    }

    function rangesOf(state) {
        const ranges = {};
        for (const dimension of state.parallel.data[0].dimensions) {
            if (dimension.constraintrange) {
                ranges[dimension.name] = dimension.constraintrange.flat().map((value) => Number(value.toPrecision(5)));
            }
        }
        return ranges;
    }

    // Draws the lines once the reader has them in sight: it takes longer than all the rest of the page.
    function drawParallel(state) {
        const { sample, parallel } = state;
        if (!sample || sample.problem) {
            return;
        }
        state.parallelIsOld = true;
        if (!state.watched) {
            state.watched = new IntersectionObserver((entries) => {
                state.parallelInSight = entries.some(({ isIntersecting }) => isIntersecting);
                drawInSight(state);
            });
            state.watched.observe(parallel.parentElement);
        }
        drawInSight(state);
    }

    function drawInSight(state) {
        if (state.parallelInSight && state.parallelIsOld && document.contains(state.parallel)) {
            state.parallelIsOld = false;
            drawLines(state);
        }
    }

    function drawLines(state) {
        const { parallel, start, template, view } = state;
        const kept = lines(state);
        const axes = dimensions(state, kept);
        const quantity = start.objectives[0];
        const trace = {
            type: "parcoords",
            dimensions: axes,
            line: {
                color: kept.map(({ row }) => state.points.values(quantity)[row] / start.quantities[quantity].scale),
                colorscale: start.colour_scale.map((tone, at) => [at / (start.colour_scale.length - 1), tone]),
            },
            unselected: { line: { color: DIM } },
            labelangle: -18,
            labelfont: { size: 11 },
        };
        const width = Math.max(parallel.parentElement.clientWidth, AXIS_PIXELS * axes.length);
        const layout = { template, width, height: HEIGHT, margin: { l: 60, r: 60, t: 96, b: 24 } };
        parallel.style.width = `${width}px`;
        window.Plotly.react(parallel, [trace], layout, { displayModeBar: false }).then(() => listen(state));
        explorer.say("explorer-parallel-note", words(state, kept.length, start.quantities[quantity].label, view));
    }

    function words(state, drawn, label, view) {
        const { groups } = explorer;
        const brushed = Object.keys(view.ranges).length;
        return (
            `${groups(drawn)} lines: the front and an even sample of the other evaluations, within the limits and the ` +
            `selection. Coloured by ${label.toLowerCase()}, blue is low.` +
            (brushed ? ` Ranges on ${brushed} of the axes: only these lines are in the figure and the table.` : "")
        );
    }

    function listen(state) {
        if (state.listens) {
            return;
        }
        state.listens = true;
        state.parallel.on("plotly_restyle", () => explorer.change({ ranges: rangesOf(state) }));
    }

    // The sample arrived: offer its choices, and give an axis to those of the address or to the ones that matter most.
    function takeSample(state, sample) {
        state.sample = sample;
        if (sample.problem) {
            explorer.say("explorer-parallel-note", `The choices of this job can't be read: ${sample.problem}`);
            return;
        }
        const names = sample.choices.map(({ name }) => name);
        const known = state.view.shown.filter((name) => names.includes(name));
        state.view.first = sample.first;
        state.view.shown = known.length ? known : sample.first;
        explorer.set("explorer-shown", { data: names, value: state.view.shown });
    }

    Object.assign(explorer, { drawParallel, allowedRows, offerSample: takeSample });
})((window.frontierExplorer ||= {}));
