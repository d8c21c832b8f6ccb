/* Classes that people do log and that have no native form, with the reason: for the documentation
 * and for what `sibyl models` says about a model that went to a worker. */
#include "domain/native/spec.h"

#define KERNELS      "its kernel sums run over the training data, in an order of libsvm's own"
#define NEIGHBOURS   "it searches its training data"
#define LAYERS       "its layers are matrix products, whose order of summation is the BLAS's"
#define BAYES        "class likelihoods of naive Bayes are not built in"
#define PROJECTS     "it projects through matrix products, whose order of summation is the BLAS's"
#define WORDS        "it splits text with regular expressions and Unicode tables of Python"
#define ENSEMBLE     "ensembles of arbitrary models are not built in"
#define SEARCH       "log its best_estimator_, which may be native"
#define FEATURES     "this transformer is not built in"
#define CHOOSES      "choosing columns by stored scores is not built in"
#define OUTPUTS      "several models in one are not built in"
#define DISCRIMINANT "discriminant analysis is not built in"

const struct sb_pickle_refusal native_worker_classes[] = {
    {"sklearn.svm._classes", "SVC", KERNELS},
    {"sklearn.svm._classes", "NuSVC", KERNELS},
    {"sklearn.svm._classes", "SVR", KERNELS},
    {"sklearn.svm._classes", "NuSVR", KERNELS},
    {"sklearn.svm._classes", "OneClassSVM", KERNELS},
    {"sklearn.neighbors._classification", "KNeighborsClassifier", NEIGHBOURS},
    {"sklearn.neighbors._regression", "KNeighborsRegressor", NEIGHBOURS},
    {"sklearn.gaussian_process._gpc", "GaussianProcessClassifier", NEIGHBOURS},
    {"sklearn.gaussian_process._gpr", "GaussianProcessRegressor", NEIGHBOURS},
    {"sklearn.neural_network._multilayer_perceptron", "MLPClassifier", LAYERS},
    {"sklearn.neural_network._multilayer_perceptron", "MLPRegressor", LAYERS},
    {"sklearn.naive_bayes", "GaussianNB", BAYES},
    {"sklearn.naive_bayes", "MultinomialNB", BAYES},
    {"sklearn.naive_bayes", "ComplementNB", BAYES},
    {"sklearn.naive_bayes", "BernoulliNB", BAYES},
    {"sklearn.naive_bayes", "CategoricalNB", BAYES},
    {"sklearn.discriminant_analysis", "LinearDiscriminantAnalysis", DISCRIMINANT},
    {"sklearn.discriminant_analysis", "QuadraticDiscriminantAnalysis", DISCRIMINANT},
    {"sklearn.cluster._kmeans", "KMeans", PROJECTS},
    {"sklearn.decomposition._pca", "PCA", PROJECTS},
    {"sklearn.decomposition._truncated_svd", "TruncatedSVD", PROJECTS},
    {"sklearn.feature_extraction.text", "CountVectorizer", WORDS},
    {"sklearn.feature_extraction.text", "TfidfVectorizer", WORDS},
    {"sklearn.feature_extraction.text", "HashingVectorizer", WORDS},
    {"sklearn.ensemble._voting", "VotingClassifier", ENSEMBLE},
    {"sklearn.ensemble._voting", "VotingRegressor", ENSEMBLE},
    {"sklearn.ensemble._stacking", "StackingClassifier", ENSEMBLE},
    {"sklearn.ensemble._stacking", "StackingRegressor", ENSEMBLE},
    {"sklearn.ensemble._bagging", "BaggingClassifier", ENSEMBLE},
    {"sklearn.ensemble._bagging", "BaggingRegressor", ENSEMBLE},
    {"sklearn.ensemble._weight_boosting", "AdaBoostClassifier", ENSEMBLE},
    {"sklearn.ensemble._weight_boosting", "AdaBoostRegressor", ENSEMBLE},
    {"sklearn.calibration", "CalibratedClassifierCV", ENSEMBLE},
    {"sklearn.model_selection._search", "GridSearchCV", SEARCH},
    {"sklearn.model_selection._search", "RandomizedSearchCV", SEARCH},
    {"sklearn.multiclass", "OneVsRestClassifier", OUTPUTS},
    {"sklearn.multiclass", "OneVsOneClassifier", OUTPUTS},
    {"sklearn.multioutput", "MultiOutputClassifier", OUTPUTS},
    {"sklearn.multioutput", "MultiOutputRegressor", OUTPUTS},
    {"sklearn.compose._target", "TransformedTargetRegressor", OUTPUTS},
    {"sklearn.pipeline", "FeatureUnion", FEATURES},
    {"sklearn.preprocessing._polynomial", "PolynomialFeatures", FEATURES},
    {"sklearn.preprocessing._polynomial", "SplineTransformer", FEATURES},
    {"sklearn.preprocessing._data", "PowerTransformer", FEATURES},
    {"sklearn.preprocessing._data", "QuantileTransformer", FEATURES},
    {"sklearn.preprocessing._data", "Normalizer", FEATURES},
    {"sklearn.preprocessing._data", "Binarizer", FEATURES},
    {"sklearn.preprocessing._discretization", "KBinsDiscretizer", FEATURES},
    {"sklearn.preprocessing._target_encoder", "TargetEncoder", FEATURES},
    {"sklearn.impute._knn", "KNNImputer", FEATURES},
    {"sklearn.impute._iterative", "IterativeImputer", FEATURES},
    {"sklearn.feature_selection._univariate_selection", "SelectKBest", CHOOSES},
    {"sklearn.feature_selection._from_model", "SelectFromModel", CHOOSES},
    {"sklearn.feature_selection._variance_threshold", "VarianceThreshold", CHOOSES},
    {"sklearn.feature_selection._rfe", "RFE", CHOOSES},
    {0},
};
