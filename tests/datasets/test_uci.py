"""Tables of the UCI repository: from a site, from a data home, and from files of the user's own."""

import csv
import gzip
import hashlib
import io

import pytest

import archive_cases
from archive_cases import zip_bytes
from fastfm_ext import FMClassifier, FMEncoder, FMRegressor, numeric
from fastfm_ext.datasets import fetch_adult, fetch_bank_marketing, fetch_bike_sharing, uci, uci_tables

site = archive_cases.site

pd = pytest.importorskip("pandas")

ADULT_ROWS = (
    "39, State-gov, 77516, Bachelors, 13, Never-married, Adm-clerical, Not-in-family, White, Male, 2174, 0, 40, "
    "United-States, <=50K\n"
    "54, ?, 180211, Some-college, 10, Married-civ-spouse, ?, Husband, Asian-Pac-Islander, Male, 0, 0, 60, South, >50K\n"
)
ADULT_TEST_ROWS = (
    "|1x3 Cross validator\n"
    "25, Private, 226802, 11th, 7, Never-married, Machine-op-inspct, Own-child, Black, Male, 0, 0, 40, ?, <=50K.\n\n"
)
BANK_ROWS = (
    '"age";"job";"marital";"education";"default";"balance";"housing";"loan";"contact";"day";"month";"duration";'
    '"campaign";"pdays";"previous";"poutcome";"y"\n'
    '58;"management";"married";"tertiary";"no";2143;"yes";"no";"unknown";5;"may";261;1;-1;0;"unknown";"no"\n'
    '41;"admin.";"single";"unknown";"no";-12;"no";"no";"cellular";6;"jun";99;2;-1;0;"unknown";"yes"\n'
)
HOURS = (
    "instant,dteday,season,yr,mnth,hr,holiday,weekday,workingday,weathersit,temp,atemp,hum,windspeed,casual,registered,"
    "cnt\n"
    "1,2011-01-01,1,0,1,0,0,6,0,1,0.24,0.2879,0.81,0,3,13,16\n"
    "2,2011-01-01,1,0,1,1,0,6,0,1,0.22,0.2727,0.8,0,8,32,40\n"
)
DAYS = HOURS.replace(",hr,", ",").replace(",1,0,0,6,", ",1,0,6,").replace(",1,1,0,6,", ",1,0,6,")

FETCH = {
    "adult": (fetch_adult, "2/adult.zip", "adult.zip"),
    "bank": (fetch_bank_marketing, "222/bank+marketing.zip", "bank_marketing.zip"),
    "bikes": (fetch_bike_sharing, "275/bike+sharing+dataset.zip", "bike_sharing.zip"),
}


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def archive_of(name, monkeypatch):
    """A small archive in the form of the real one, whose checksums are expected from now on."""
    bank = zip_bytes({"bank-full.csv": BANK_ROWS, "bank.csv": BANK_ROWS.rpartition("41;")[0]})
    members, digests = {
        "adult": (
            {"adult.data": ADULT_ROWS.encode(), "adult.test": ADULT_TEST_ROWS.encode(), "Index": b"x"},
            {"ADULT_TRAIN_SHA256": "adult.data", "ADULT_TEST_SHA256": "adult.test"},
        ),
        "bank": ({"bank.zip": bank, "bank-additional.zip": b"x"}, {"BANK_ZIP_SHA256": "bank.zip"}),
        "bikes": (
            {"hour.csv": HOURS.encode(), "day.csv": DAYS.encode(), "Readme.txt": b"x"},
            {"BIKE_HOUR_SHA256": "hour.csv", "BIKE_DAY_SHA256": "day.csv"},
        ),
    }[name]
    for constant, member in digests.items():
        monkeypatch.setattr(uci_tables, constant, sha256(members[member]))
    return zip_bytes(members)


@pytest.fixture
def put(tmp_path, monkeypatch):
    """Put a small archive into the data home; fetch it from there."""

    def fetch(name, *arguments, **options):
        function, _, file_name = FETCH[name]
        folder = tmp_path / "uci"
        folder.mkdir(exist_ok=True)
        (folder / file_name).write_bytes(archive_of(name, monkeypatch))
        return function(*arguments, data_home=tmp_path, download_if_missing=False, **options)

    return fetch


@pytest.mark.parametrize("name", FETCH)
def test_a_table_is_downloaded_once_from_its_place_on_the_site(name, site, tmp_path, monkeypatch):
    function, place, file_name = FETCH[name]
    monkeypatch.setattr(uci, "_BASE_URL", site.url)
    (site.folder / place).parent.mkdir()
    (site.folder / place).write_bytes(archive_of(name, monkeypatch))
    first, second = function(data_home=tmp_path / "home"), function(data_home=tmp_path / "home")
    assert site.state["requests"] == 1
    assert first.origin == site.url + place
    assert [path.name for path in (tmp_path / "home/uci").iterdir()] == [file_name]
    pd.testing.assert_frame_equal(first.frame, second.frame)


@pytest.mark.parametrize("name", FETCH)
def test_an_offline_error_says_what_was_tried_and_where_to_put_the_file(name, tmp_path, monkeypatch):
    function, place, file_name = FETCH[name]
    monkeypatch.setattr(uci, "_BASE_URL", "http://127.0.0.1:9/")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(OSError, match="could not be downloaded") as caught:
        function(data_home=tmp_path)
    assert f"http://127.0.0.1:9/{place}: no connection" in str(caught.value)
    assert f"save it as {tmp_path / 'uci' / file_name}" in str(caught.value)
    with pytest.raises(OSError, match=f"download_if_missing is False.*{file_name}"):
        function(data_home=tmp_path, download_if_missing=False)


@pytest.mark.parametrize("name", FETCH)
def test_a_file_that_is_not_the_known_one_is_refused(name, tmp_path):
    function, _, file_name = FETCH[name]
    (tmp_path / "uci").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        content = archive_of(name, patch)
    (tmp_path / "uci" / file_name).write_bytes(content)
    with pytest.raises(OSError, match=rf"{file_name} is damaged.*the sha256 checksum of its .* expected .*Delete it"):
        function(data_home=tmp_path)


@pytest.mark.parametrize("name", FETCH)
def test_a_bunch_says_where_the_data_is_from_and_what_may_be_done_with_it(name, put):
    bunch = put(name)
    assert "CC BY 4.0" in bunch.DESCR
    assert "To cite:" in bunch.DESCR
    assert f"Read from: {bunch.origin}" in bunch.DESCR
    assert f"{len(bunch.frame)} rows" in bunch.DESCR
    assert bunch.feature_names == list(bunch.data)
    assert bunch.target.name not in bunch.data
    X, y = put(name, return_X_y=True)
    pd.testing.assert_frame_equal(X, bunch.data)
    pd.testing.assert_series_equal(y, bunch.target)


def test_adult_is_read_with_its_gaps_and_the_same_categories_in_both_parts(put):
    train, test, both = (put("adult", subset) for subset in ("train", "test", "all"))
    assert train.data["age"].tolist() == [39, 54]
    assert train.data["workclass"].isna().tolist() == [False, True]
    assert test.data["native_country"].isna().tolist() == [True]
    assert train.target.tolist() == ["<=50K", ">50K"]
    assert test.target.tolist() == ["<=50K"]
    assert (train.data.dtypes == test.data.dtypes).all()
    assert both.frame["age"].tolist() == [39, 54, 25]
    assert len(train.feature_names) == 14


def test_bank_marketing_has_a_small_variant(put):
    full, small = put("bank"), put("bank", "small")
    assert full.target.tolist() == ["no", "yes"]
    assert full.data["balance"].tolist() == [2143, -12]
    assert full.data["month"].tolist() == ["may", "jun"]
    assert small.data["age"].tolist() == [58]
    assert len(full.feature_names) == 16


def test_parts_of_the_count_of_bikes_are_no_features(put):
    hours, days = put("bikes"), put("bikes", "day")
    assert hours.target.tolist() == [16, 40]
    assert hours.feature_names == [
        "dteday",
        "season",
        "yr",
        "mnth",
        "hr",
        "holiday",
        "weekday",
        "workingday",
        "weathersit",
        "temp",
        "atemp",
        "hum",
        "windspeed",
    ]
    assert hours.frame["registered"].tolist() == [13, 32]
    assert hours.data["dteday"].dt.year.tolist() == [2011, 2011]
    assert "hr" not in days.data


@pytest.mark.parametrize("name", FETCH)
def test_a_table_goes_through_an_encoder_into_an_estimator(name, put):
    X, y = put(name, return_X_y=True)
    rows = FMEncoder().fit_transform(X)
    model = FMRegressor(max_iter=2) if name == "bikes" else FMClassifier(max_iter=2)
    assert model.fit(rows, y).predict(rows).shape == (2,)


@pytest.mark.parametrize(("name", "argument"), [("adult", "subset"), ("bank", "variant"), ("bikes", "variant")])
def test_an_unknown_variant_is_refused(name, argument):
    with pytest.raises(ValueError, match=f"{argument} must be one of .*, got 'huge'"):
        FETCH[name][0]("huge")


def test_the_test_rows_of_adult_are_not_in_a_file_of_the_users_own(tmp_path):
    with pytest.raises(ValueError, match="subset must be 'train' where a path is given, got 'test'"):
        fetch_adult("test", path=tmp_path / "adult.data")


def test_a_file_of_the_users_own_may_be_compressed_and_have_other_columns_and_commas(tmp_path):
    lines = list(csv.reader(io.StringIO(BANK_ROWS), delimiter=";"))
    with gzip.open(tmp_path / "bank.csv.gz", "wt") as file:
        csv.writer(file).writerows([["id", *line[::-1]] for line in lines])
    bunch = fetch_bank_marketing(path=tmp_path / "bank.csv.gz")
    assert bunch.data.iloc[0].tolist()[:3] == [58, "management", "married"]
    assert bunch.origin == str(tmp_path / "bank.csv.gz")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("adult", "39, State-gov\n", r"table\.csv: 2 columns, expected 15, without a header"),
        ("adult", ADULT_ROWS.replace("39,", "old,"), r"table\.csv: column 'age'.*old"),
        ("adult", ADULT_ROWS.replace("39,", "39.5,"), r"table\.csv: column 'age': not all are whole numbers"),
        ("bank", BANK_ROWS.replace('"y"', '"Y"'), r"table\.csv: no column 'y'; it has 'age', 'job'"),
        ("bank", BANK_ROWS.partition("\n")[0] + "\n", r"table\.csv: there are no rows"),
        ("bank", "", r"table\.csv: the file is empty"),
        ("bikes", HOURS.replace("2011-01-01,1,0,1,1", "1 January,1,0,1,1"), r"table\.csv: column 'dteday'.*1 January"),
        ("bikes", HOURS.replace(",16\n", ",\n"), r"table\.csv: column 'cnt'"),
    ],
)
def test_an_error_names_the_file_and_the_column(name, text, message, tmp_path):
    (tmp_path / "table.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        FETCH[name][0](path=tmp_path / "table.csv")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.csv"):
        fetch_bank_marketing(path=tmp_path / "nowhere.csv")


def test_real_rows_of_adult_have_the_known_checksum(data_dir, tmp_path, monkeypatch):
    content = gzip.decompress((data_dir / "ctr/adult/adult-uci.csv.gz").read_bytes()).replace(b"\r\n", b"\n")
    assert sha256(content) == uci_tables.ADULT_TRAIN_SHA256
    monkeypatch.setattr(uci_tables, "ADULT_TEST_SHA256", sha256(ADULT_TEST_ROWS.encode()))
    (tmp_path / "uci").mkdir()
    (tmp_path / "uci/adult.zip").write_bytes(zip_bytes({"adult.data": content, "adult.test": ADULT_TEST_ROWS}))
    bunch = fetch_adult(data_home=tmp_path, download_if_missing=False)
    assert bunch.data.shape == (32_561, 14)
    assert bunch.target.value_counts().to_dict() == {"<=50K": 24_720, ">50K": 7_841}
    gaps = bunch.data.isna().sum()
    assert gaps[gaps > 0].to_dict() == {"workclass": 1836, "occupation": 1843, "native_country": 583}


def test_real_rows_of_the_bank_train_a_classifier(data_dir):
    X, y = fetch_bank_marketing("small", path=data_dir / "tables/bank-uci.csv.gz", return_X_y=True)
    assert X.shape == (4521, 16)
    assert (y == "yes").sum() == 521
    encoder = FMEncoder([numeric("balance"), "job", "poutcome", "month"])
    rows = encoder.fit_transform(X)
    assert FMClassifier(random_state=0).fit(rows, y).score(rows, y) > 0.88
