#!/usr/bin/env python3
"""The figures of docs/model.md, "Films and reports", from what views_bench wrote.

score.py films DATA TRAIN TEST OUT...      error of the half predicted from the other one, of the mean image, and of peers; OUT: a seed's
score.py picture DATA TRAIN TEST OUT PNG
score.py reports DATA TRAIN TEST OUT...    average precision of a linear probe on each subset's codes; OUT: a seed's
"""
import pathlib
import sys
import time

import numpy as np

SIDE, HALF = 28, 14
PARTS = ("indication", "findings", "impression")
SUBSETS = (1, 2, 4, 3, 5, 6, 7)


def films(data, name):
    whole = np.fromfile(data / f"{name}.u8", np.uint8).reshape(-1, SIDE, SIDE).astype(np.float32)
    n = len(whole)
    return {"left": whole[:, :, :HALF].reshape(n, -1), "right": whole[:, :, HALF:].reshape(n, -1)}


def half(out, wanted, what):
    return np.fromfile(f"{out}.{wanted}.{what}.f32", np.float32).reshape(-1, SIDE * HALF)


def errors(predicted, truth):
    gap = predicted - truth
    return float(np.abs(gap).mean()), float(np.sqrt((gap**2).mean()))


def ridge(train, test, given, wanted):
    """The strength by the training films' own leave-one-out error."""
    from sklearn.linear_model import RidgeCV

    model = RidgeCV(alphas=10.0 ** np.arange(1, 7)).fit(train[given], train[wanted])
    return model.predict(test[given])


def principal(train, test, given, wanted, components=64):
    """The other half of the film whose principal components explain the given half best."""
    from sklearn.decomposition import PCA
    from sklearn.linear_model import Ridge

    both = np.concatenate([train[given], train[wanted]], 1)
    pca = PCA(components, random_state=0).fit(both)
    scale = np.sqrt(pca.explained_variance_)
    basis = (pca.components_ * scale[:, None]).T  # [pixels, components], unit prior
    n = train[given].shape[1]
    noise = max(pca.noise_variance_, 1e-6)
    a = basis[:n]
    codes = np.linalg.solve(a.T @ a + noise * np.eye(components), a.T @ (test[given] - pca.mean_[:n]).T).T
    return codes @ basis[n:].T + pca.mean_[n:]


def neighbours(train, test, given, wanted):
    from sklearn.neighbors import KNeighborsRegressor

    return KNeighborsRegressor(20, weights="distance").fit(train[given], train[wanted]).predict(test[given])


def score_films(data, train_name, test_name, outs):
    train, test = films(data, train_name), films(data, test_name)
    print(f"{len(train['left'])} films to learn from, {len(test['left'])} scored; grey levels of 255; less than the mean image's error")
    print(f"{'predicted':10}{'by':34}{'MAE':>8}{'':>8}{'RMSE':>8}{'':>8}")
    for given, wanted in (("left", "right"), ("right", "left")):
        mean = train[wanted].mean(0, keepdims=True)
        base = errors(mean, test[wanted])
        rows = [("mean image", [base])]
        rows.append((f"Lacuna, {len(outs)} seeds", [errors(half(out, wanted, "mean"), test[wanted]) for out in outs]))
        for name, peer in (("ridge regression", ridge), ("probabilistic PCA, 64 components", principal), ("20 nearest films", neighbours)):
            rows.append((name, [errors(peer(train, test, given, wanted), test[wanted])]))
        for path in sorted(pathlib.Path(outs[0]).parent.glob(f"peer-*.{test_name}.{wanted}.f32")):
            rows.append(("multivae, " + path.name.split(".")[0][5:], [errors(np.fromfile(path, np.float32).reshape(-1, SIDE * HALF), test[wanted])]))
        for name, seeds in rows:
            mae, rmse = np.mean([s[0] for s in seeds]), np.mean([s[1] for s in seeds])
            spread = f"  MAE {min(s[0] for s in seeds):.2f} to {max(s[0] for s in seeds):.2f}" if len(seeds) > 1 else ""
            print(f"{wanted:10}{name:34}{mae:8.2f}{100 * (1 - mae / base[0]):7.1f}%{rmse:8.2f}{100 * (1 - rmse / base[1]):7.1f}%{spread}")
        inside = [float((np.abs(half(out, wanted, "mean") - test[wanted]) <= half(out, wanted, "sd")).mean()) for out in outs]
        print(f"{'':10}pixels within one sd of ours: {np.mean(inside):.3f}")


def picture(data, train_name, test_name, out, png):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    train, test = films(data, train_name), films(data, test_name)
    n = len(test["left"])
    chosen = [n * (2 * i + 1) // 12 for i in range(6)]  # evenly through the test films, not by how well they are predicted
    columns = ("given", "truth", "predicted", "sd", "mean film")
    shape = (SIDE, HALF)
    figure, axes = plt.subplots(4, 10, figsize=(7.6, 5.4), gridspec_kw={"wspace": 0.16, "hspace": 0.12})
    for axis in axes.flat:
        axis.axis("off")
    grey = {"cmap": "gray", "vmin": 0, "vmax": 255, "interpolation": "nearest"}
    for side, (given, wanted) in enumerate((("left", "right"), ("right", "left"))):
        mean, sd = half(out, wanted, "mean"), half(out, wanted, "sd")
        for row in range(3):
            i = chosen[2 * row + side]
            images = (test[given][i], test[wanted][i], mean[i], sd[i], train[wanted].mean(0))
            for column, image in enumerate(images):
                axis = axes[row][5 * side + column]
                axis.imshow(image.reshape(shape), **(grey if column != 3 else {"cmap": "magma", "vmin": 0, "vmax": 60, "interpolation": "nearest"}))
                if row == 0:
                    axis.set_title(columns[column] if column else f"{given} given", fontsize=7)
    samples = np.fromfile(f"{out}.samples.f32", np.float32).reshape(-1, SIDE, SIDE)
    for i in range(5):
        at = axes[3][2 * i].get_position()
        to = axes[3][2 * i + 1].get_position()
        axis = figure.add_axes([at.x0, at.y0 - 0.02, to.x1 - at.x0, at.height])
        axis.imshow(samples[i].clip(0, 255), **grey)
        axis.axis("off")
        if i == 0:
            axis.set_title("films of nobody", fontsize=7, loc="left")
    figure.savefig(png, dpi=110, bbox_inches="tight", pad_inches=0.05)
    print(f"{png}: {pathlib.Path(png).stat().st_size / 1000:.0f} kB")


def reports(data, name):
    lines = (data / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
    texts = [line.split("\t") for line in lines]
    return texts, np.loadtxt(data / f"{name}.labels", dtype=int)


def probe(x, y, xt):
    """Logistic regression on standardised columns, its strength by cross-validation among those it learns from."""
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegressionCV(Cs=10.0 ** np.arange(-4, 2), cv=4, scoring="average_precision", max_iter=2000))
    return model.fit(x, y).decision_function(xt)


def words(texts, subset, vectorisers=None):
    """TF-IDF of each part by itself, side by side."""
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import TfidfVectorizer

    chosen = [i for i in range(3) if subset >> i & 1]
    made = vectorisers or [TfidfVectorizer(min_df=5, max_features=2000, sublinear_tf=True).fit(t[i] for t in texts if t[i]) for i in chosen]
    return hstack([v.transform(t[i] for t in texts) for v, i in zip(made, chosen)]).tocsr(), made


def score_reports(data, train_name, test_name, outs):
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.metrics import average_precision_score

    (texts, y), (test, yt) = reports(data, train_name), reports(data, test_name)
    complete = np.array([all(t) for t in test])
    print(f"{len(y)} reports to learn from, {len(yt)} scored, {complete.sum()} of them with all parts; chance {yt.mean():.3f}, {yt[complete].mean():.3f}")
    print(f"{'known':36}{'ours':>8}{'seeds':>16}{'complete':>10}{'words':>8}{'complete':>10}")
    table = {}
    for subset in SUBSETS:
        ours, whole = [], []
        for out in outs:
            x, xt = (np.fromfile(f"{out}.{name}.{subset}.f32", np.float32).reshape(n, -1) for name, n in ((train_name, len(y)), (test_name, len(yt))))
            said = probe(x, y, xt)
            ours.append(average_precision_score(yt, said))
            whole.append(average_precision_score(yt[complete], said[complete]))
        x, made = words(texts, subset)
        xt, _ = words(test, subset, made)
        said = LogisticRegressionCV(Cs=10.0 ** np.arange(-2, 3), cv=4, scoring="average_precision", max_iter=2000).fit(x, y).decision_function(xt)
        reference = average_precision_score(yt, said), average_precision_score(yt[complete], said[complete])
        table[subset] = ours, whole
        name = ", ".join(PARTS[i] for i in range(3) if subset >> i & 1)
        print(f"{name:36}{np.mean(ours):8.4f}{min(ours):9.4f}-{max(ours):.4f}{np.mean(whole):10.4f}{reference[0]:8.4f}{reference[1]:10.4f}")
    for which, where in ((0, "all"), (1, "complete")):
        worst = max((np.mean(table[a][which]) - np.mean(table[b][which]), a, b) for a in SUBSETS for b in SUBSETS if a != b and a & b == a)
        seed = max(table[a][which][s] - table[b][which][s] for a in SUBSETS for b in SUBSETS if a != b and a & b == a for s in range(len(outs)))
        highest = max(SUBSETS, key=lambda s: np.mean(table[s][which]))
        print(f"{where} reports: highest {highest:03b}; a superset below its subset by {worst[0]:.4f} at most ({worst[1]:03b} and {worst[2]:03b}), {seed:.4f} in any one seed")


def main():
    start = time.process_time()
    what, data, train, test, rest = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3], sys.argv[4], sys.argv[5:]
    if what == "films":
        score_films(data, train, test, rest)
    elif what == "picture":
        picture(data, train, test, *rest)
    else:
        score_reports(data, train, test, rest)
    print(f"({time.process_time() - start:.0f} s of processor time to score)")


main()
